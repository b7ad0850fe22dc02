"""The comparison of the Python client with wrk runs against a real server."""

import pytest

from benchmarks import sdk
from benchmarks.load import generator


def test_the_table_has_a_ratio_for_each_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert sdk.main(["--quick"]) == 0
    rows = {cells[1].strip(): cells for line in capsys.readouterr().out.splitlines() if (cells := line.split("|"))}
    assert float(rows[generator()][3]) == 1.0
    for client in ("Client.classify_many", "AsyncClient.classify_many"):
        assert float(rows[client][3]) > 0
        assert float(rows[client][4]) > 0
