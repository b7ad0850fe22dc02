"""In short: the long form is python -m benchmarks.swap."""

from pathlib import Path

import pytest

from benchmarks import mirror
from benchmarks.swap import MEASURED, WARM, gates, served, swap


def missed(seconds: float) -> list[str]:
    """But for the memory, which is for more swaps."""
    with served() as (server, models):
        swapped = swap(server, models, seconds=seconds, rate=200, pause=0.3)
    assert swapped.answered > 100
    return [gate.what for gate in gates(swapped) if not gate.met and not gate.what.startswith("PSS")]


def test_under_load_every_answer_is_of_the_version_that_it_names_and_none_is_lost() -> None:
    assert missed(8.0) == []


def test_a_version_that_answers_as_another_one_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    write = mirror.write

    def lying(models: Path, version: int) -> Path:
        return write(models, version, told=1)

    monkeypatch.setattr("benchmarks.mirror.write", lying)
    assert missed(3.0) == ["answers not wholly of the version that they name"]


def test_a_service_that_keeps_every_version_is_found_out() -> None:
    with served(hoarding=True) as (server, models):
        swapped = swap(server, models, seconds=60, rate=50, pause=0.05, swaps=WARM + MEASURED)
    assert [gate.what for gate in gates(swapped) if not gate.met] == [
        f"PSS after {MEASURED} swaps more than the first {WARM}"
    ]
