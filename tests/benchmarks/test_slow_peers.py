"""The gates of benchmarks.slow_peers, on made-up outcomes; tests/service/test_peers.py has slow clients themselves."""

import math

import pytest

from benchmarks.openloop import NONE, Outcome
from benchmarks.slow_peers import gates


def slice_(seconds: float, status: int = 200) -> list[Outcome]:
    good = [Outcome(at / 100, 0.0, seconds, 200, told=False) for at in range(99)]
    return [*good, Outcome(0.99, 0.0, seconds, status, told=False)]


WITHOUT = [slice_(0.010), slice_(0.012), slice_(0.030)]
BESIDE = [slice_(0.011), slice_(0.013), slice_(0.090)]  # one of them beside something else
WRONG = {
    "one that stays": ([9.0, math.inf, 9.0], BESIDE, "slow clients gone after, s"),
    "one that is late": ([9.0, 9.0, 10.1], BESIDE, "slow clients gone after, s"),
    "a good one refused": ([9.0] * 3, [*BESIDE[:2], slice_(0.030, 503)], "good requests not answered with 200"),
    "a good one lost": ([9.0] * 3, [*BESIDE[:2], slice_(0.030, NONE)], "good requests not answered with 200"),
    "good ones held up": ([9.0] * 3, [slice_(0.013), slice_(0.015), slice_(0.030)], "p99 of good ones beside them"),
}


def missed(took: list[float], beside: list[list[Outcome]], without: list[list[Outcome]] = WITHOUT) -> list[str]:
    return [gate.what for gate in gates(took, without, beside) if not gate.met]


def test_a_service_that_bears_slow_clients_meets_every_gate() -> None:
    assert missed([9.0, 9.8, 9.9], BESIDE) == []


@pytest.mark.parametrize("case", WRONG)
def test_whatever_goes_wrong_misses_the_gate_that_is_there_for_it(case: str) -> None:
    took, beside, what = WRONG[case]
    (found,) = missed(took, beside)
    assert found.startswith(what)


def test_good_requests_alone_are_to_be_answered_too() -> None:
    assert missed([9.0] * 3, BESIDE, [*WITHOUT[:2], slice_(0.030, NONE)]) == ["good requests not answered with 200"]
