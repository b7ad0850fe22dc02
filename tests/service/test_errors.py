"""The table of reasons in docs/api.md has every error that a caller can get, and no other, as the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

import maxpool_client._errors as of_client
import pytest

from service.errors import MaxpoolError
from tests.conftest import ROOT

ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| (.+?) \| (.+?) \|$", re.MULTILINE)
API = (ROOT / "docs" / "api.md").read_text()
TYPESCRIPT = ROOT / "client-js" / "src" / "errors.ts"


def kinds(kind: type[MaxpoolError] = MaxpoolError) -> Iterator[type[MaxpoolError]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds(each)


def reasons() -> dict[str, int]:
    return {kind.__name__: kind.status for kind in kinds() if kind.__module__ == MaxpoolError.__module__}


def table(text: str) -> dict[str, int]:
    return {name: int(status) for name, status, _, _ in ROW.findall(text)}


def test_the_table_of_reasons_is_that_of_the_code() -> None:
    assert len(reasons()) > 15
    assert table(API) == reasons()
    assert len(ROW.findall(API)) == len(table(API))  # none twice


@pytest.mark.parametrize(
    "changed",
    [
        re.sub(r"^\| `TooSlow`.*\n", "", API, flags=re.MULTILINE),
        API.replace("`TooSlow` | 408", "`TooSlow` | 400"),
        API.replace("`TooSlow` | 408", "`TooLate` | 408"),
        f"{API}| `Other` | 400 | so | so |\n",
    ],
    ids=["one is missing", "another status", "another name", "one too many"],
)
def test_a_table_that_is_not_is_found_out(changed: str) -> None:
    assert changed != API
    assert table(changed) != reasons()


def test_the_error_that_has_no_reason_of_its_own_is_never_raised() -> None:
    for file in (ROOT / "service").rglob("*.py"):
        assert not re.search(r"raise MaxpoolError\b", file.read_text()), file


def test_the_tree_at_the_top_of_the_file_has_them_all() -> None:
    text = Path(ROOT / "service" / "errors.py").read_text()
    drawn = dict(re.findall(r"^ +- (\w+) +(\d{3})\b", text, re.MULTILINE))
    assert {name: int(status) for name, status in drawn.items()} == reasons()


def test_what_the_clients_go_by_are_reasons_of_the_service() -> None:
    in_typescript = re.findall(r'^  \["(\w+)", \d+\],$', TYPESCRIPT.read_text(), re.MULTILINE)
    assert len(in_typescript) > 10
    assert set(in_typescript) == set(of_client.OF_REASON)
    assert set(in_typescript) < reasons().keys()
