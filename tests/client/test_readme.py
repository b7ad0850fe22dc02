"""The README's Python runs as it stands, and its errors are the ones there are."""

import re
from pathlib import Path

import maxpool_client
import pytest

from .conftest import StandIn

README = (Path(__file__).parents[2] / "client" / "README.md").read_text()
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
