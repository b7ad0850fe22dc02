"""The README's Python runs as it stands, its errors are the ones there are, and commands shown are understood."""

import re
import shlex
from pathlib import Path

import maxpool_client
import pytest
from maxpool_client._command.arguments import parse_args

from .conftest import StandIn

ROOT = Path(__file__).parents[2]
README = (ROOT / "client" / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "client" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A line of a block without variables before it, and pipes or a file behind it, or with arguments between backticks.
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*maxpool (\w[^|<\n]*)|`maxpool (\w+ [^`|\n]+)`", re.MULTILINE)
SHOWN = [" ".join(found) for page in PAGES for found in COMMAND.findall(page.read_text())]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_code_runs(block: str, stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("seven.png").write_bytes(b"seven")
    Path("digits").mkdir()
    Path("digits/one.png").write_bytes(b"one")
    Path("reviews.txt").write_text("a joy\na bore\n")
    exec(block.replace("http://127.0.0.1:8000", stand_in.url), {"__name__": "readme"})


def test_every_error_is_in_the_table() -> None:
    raised = {name for name in maxpool_client.__all__ if issubclass(getattr(maxpool_client, name), Exception)}
    assert raised - {"MaxpoolError"} == set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", README, re.MULTILINE))


@pytest.mark.parametrize("shown", SHOWN)
def test_the_commands_that_are_shown_are_understood(shown: str) -> None:
    parse_args(shlex.split(shown, comments=True))


def test_commands_are_found_on_each_of_the_pages() -> None:
    assert any("--recorded" in shown for shown in SHOWN)
    assert any("models --url" in shown for shown in SHOWN)
    assert any("bench MODEL" in shown for shown in SHOWN)
