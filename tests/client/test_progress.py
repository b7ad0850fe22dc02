"""What the bar says."""

import io

import pytest
from maxpool_client import Refused
from maxpool_client._progress import Progress

BAD = Refused(error="no", code=400)


def test_with_a_total_there_is_a_bar_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress(8)
    bar.add([BAD, BAD])
    assert bar.text(2.0) == "██████" + "·" * 18 + " 2 of 8, 1/s, 2 refused, 6 s left"
    assert capsys.readouterr().err.startswith("\r██████")


def test_a_folder_among_the_inputs_moves_the_total() -> None:
    bar = Progress(1)
    bar.expect(1499)
    assert "0 of 1,500" in bar.text(1.0)


def test_without_a_total_there_is_a_count() -> None:
    bar = Progress(None)
    bar.expect(10)
    bar.add([BAD])
    assert bar.text(1.0) == "1 inputs, 1/s, 1 refused"


def test_a_terminal_of_ascii_has_a_bar_of_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    bar = Progress(2)
    bar.add([BAD])
    bar.close()
    assert written.getvalue().startswith(b"\r############............ 1 of 2")
