"""A few seconds of what `python -m benchmarks.fuzz` does for minutes."""

import importlib.util
from pathlib import Path

import pytest

from benchmarks.fuzz import MISSING, NAMES, fuzz, main
from benchmarks.hostile import CONTROLS, TARGETS

with_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=MISSING)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_the_bytes_to_begin_from_are_read_or_refused_in_words(target: object) -> None:
    read, seeds = next((read, seeds) for read, seeds in TARGETS.items() if read is target)
    assert len(seeds()) > 1
    for seed in seeds():
        read(seed)
        read(seed[:-1])


@with_atheris
def test_nothing_comes_out_of_the_readers_but_errors_that_are_told(tmp_path: Path) -> None:
    found = fuzz("everything", 5, tmp_path)
    assert found.ended == 0, found.output[-4000:]
    assert found.inputs() > 1000
    start, most = found.megabytes()
    assert 0 < most < 2 * start


@with_atheris
def test_a_leak_that_was_put_in_is_found(tmp_path: Path) -> None:
    found = fuzz("leak", 60, tmp_path)
    assert found.ended != 0
    assert "out-of-memory" in found.output
    assert list(tmp_path.glob("leak/found-*"))


@with_atheris
def test_a_bug_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.fuzz.FOLDER", tmp_path)
    monkeypatch.setattr("benchmarks.fuzz.CONTROL_NAMES", [])
    monkeypatch.setattr("benchmarks.fuzz.NAMES", ["bug"])
    assert main(["--only", "bug", "--seconds", "60"]) == 1
    assert "IndexError" in capsys.readouterr().out


def test_the_controls_are_told_from_the_readers() -> None:
    assert not set(CONTROLS) & set(TARGETS)
    with pytest.raises(SystemExit, match="no reader is called spoon"):
        main(["--only", "spoon"])
