"""The commands run whole, on the committed models; their figures are of no worth here."""

from pathlib import Path

import pytest

from benchmarks import report, scaling, stages


@pytest.fixture(autouse=True)
def _models_made_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "MODELS", tmp_path / "models")


def test_the_report_fills_its_place_in_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    assert report.main(["--quick", "--write", str(page)]) == 0
    written = page.read_text()
    assert written.startswith(f"before\n{report.BEGIN}\n")
    assert written.endswith(f"{report.END}\nafter\n")
    assert "old" not in written
    for expected in ("over the bare echo", "over ours", "p99 over p50", "plain graph", "one client", "top_k", "PSS"):
        assert expected in written
    assert written.splitlines()[3] in capsys.readouterr().out


def test_a_page_without_a_place_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(SystemExit, match="no place for results"):
        report.main(["--quick", "--write", str(page)])


def test_the_stages_of_a_request_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["--quick"]) == 0
    told = capsys.readouterr().out
    for expected in ("HTTP", "decode", "queue", "run", "rank", "JSON", "the service"):
        assert told.count(f"| {expected}") == 2


def test_a_profile_names_the_functions_of_a_request_and_not_of_loading(capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["--quick", "--profile", "lenet5-mnist"]) == 0
    told = capsys.readouterr().out
    assert "(predict)" in told
    assert "initialize_session" not in told


def test_scaling_measures_workers_connections_models_and_labels(capsys: pytest.CaptureFixture[str]) -> None:
    assert scaling.main(["--quick"]) == 0
    told = capsys.readouterr().out
    for expected in ("2 workers", "64 connections", "3 models", f"top_k {scaling.LABELS}"):
        assert expected in told
