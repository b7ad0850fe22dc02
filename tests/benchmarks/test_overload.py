"""The gates of benchmarks.overload, on made-up outcomes and on a service that knows no deadline."""

import dataclasses

import pytest

from benchmarks.openloop import NONE, Outcome
from benchmarks.overload import gates, main, recovered
from benchmarks.point import Counted, Point


def outcomes(count: int, status: int, seconds: float, *, told: bool = True) -> list[Outcome]:
    """Over ten seconds."""
    return [Outcome(10 * at / count, 0.0, seconds, status, told) for at in range(count)]


GOOD = Point(
    times=2,
    capacity=100,
    seconds=10,
    deadline=0.5,
    outcomes=[*outcomes(1000, 200, 0.4), *outcomes(1000, 503, 0.002)],
    counted=Counted(rows=1000, answered=1000),
    health=[],
    metrics=[],
)
BESIDE = outcomes(100, 200, 0.01)
BELOW = dataclasses.replace(GOOD, times=0.5, outcomes=outcomes(500, 200, 0.1), counted=Counted(500, 500))
WRONG = {
    "too few in time": (outcomes(800, 200, 0.4), 800, "in time from 2 x C on, of C"),
    "late answers": ([*outcomes(1000, 200, 0.4), *outcomes(100, 200, 0.6)], 1000, "p99 of 200, ms"),
    "slow refusals": ([*outcomes(1000, 200, 0.4), *outcomes(100, 503, 0.4)], 1000, "p99 of 503, ms"),
    "refusals that say nothing": (
        [*outcomes(1000, 200, 0.4), *outcomes(1, 503, 0.001, told=False)],
        1000,
        "503 with Retry-After and error",
    ),
    "rows for nobody": ([*outcomes(1000, 200, 0.4), *outcomes(1000, NONE, 1.0)], 1100, "rows run in vain"),
}


def test_a_service_that_keeps_its_word_meets_every_gate() -> None:
    assert all(gate.met for gate in gates([BELOW, GOOD], recovery=0.5, beside=BESIDE))


@pytest.mark.parametrize("case", WRONG)
def test_whatever_goes_wrong_misses_the_gate_that_is_there_for_it(case: str) -> None:
    found, rows, what = WRONG[case]
    point = dataclasses.replace(GOOD, outcomes=found, counted=Counted(rows, rows))
    assert [gate.what for gate in gates([BELOW, point], recovery=0.5, beside=BESIDE) if not gate.met] == [what]


@pytest.mark.parametrize("status", [NONE, 503])
def test_health_and_metrics_are_to_be_answered_every_time(status: int) -> None:
    for beside in ([*BESIDE, *outcomes(1, status, 0.01)], []):
        missed = [gate.what for gate in gates([BELOW, GOOD], recovery=0.5, beside=beside) if not gate.met]
        assert missed == ["healthz and metrics answered with 200"]


def test_below_the_capacity_nobody_is_to_be_refused() -> None:
    refused = dataclasses.replace(BELOW, outcomes=[*outcomes(480, 200, 0.1), *outcomes(20, 503, 0.001)])
    missed = [gate.what for gate in gates([refused, GOOD], recovery=0.5, beside=BESIDE) if not gate.met]
    assert missed == ["in time below C, of offered", "rows run in vain"]


def test_recovery_ends_where_a_second_of_good_answers_begins() -> None:
    good = [Outcome(at / 10, 0.0, 0.1, 200, told=False) for at in range(100)]
    assert recovered(good, 5, 0.2) == 0
    slow = dataclasses.replace(good[57], seconds=0.9)
    refused = dataclasses.replace(good[64], status=503)
    assert recovered([*good[:57], slow, *good[58:64], refused, *good[65:]], 5, 0.2) == pytest.approx(1.4)
    early = [*good[:51], *(dataclasses.replace(each, status=503) for each in good[51:60]), *good[60:]]
    assert recovered(early, 5, 0.2) == pytest.approx(0.9)


def test_a_service_that_knows_no_deadline_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--control", "--seconds", "4", "--points", "5"]) == 1
    told = capsys.readouterr().out
    assert "| in time from 2 x C on, of C | ≥ 0.95 | 0" in told
    assert "| rows run in vain | ≤ 0.01 |" in told
    assert told.count("**no**") >= 2
