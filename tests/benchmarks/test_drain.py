"""In short: the long form is python -m benchmarks.drain. On outcomes: seconds are another machine's."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.drain import LONG, TOLD, Stop, gates, stop

ONCE = Stop(asked=700, wrong=[], long=None, status=0, heard=0.1, seconds=5.5)
TWICE = Stop(asked=700, wrong=[], long=Counter({"200": LONG - 80, TOLD: 80}), status=0, heard=0.1, seconds=2.5)
WRONG = [
    (replace(ONCE, wrong=["1 ConnectionResetError"]), "requests that were not answered, or not rightly"),
    (replace(ONCE, wrong=["2 503"]), "requests that were not answered, or not rightly"),
    (replace(ONCE, status=-15), "ends with another status than 0"),
    (replace(ONCE, seconds=7.5), "to the end, at worst"),
    (replace(TWICE, long=TWICE.long + Counter(IncompleteReadError=1)), "requests that outlast the grace and are not"),
    (replace(TWICE, long=Counter({"200": LONG})), "that are, at each second signal"),
]


def missed(*stops: Stop) -> list[str]:
    return [gate.what for gate in gates(stops) if not gate.met]


def test_stops_that_lose_nothing_meet_every_gate() -> None:
    assert missed(ONCE, TWICE) == missed(ONCE) == []


@pytest.mark.parametrize(("spoilt", "what"), WRONG)
def test_whatever_goes_wrong_misses_the_gate_that_is_there_for_it(spoilt: Stop, what: str) -> None:
    (found,) = missed(ONCE, TWICE, spoilt)
    assert found.startswith(what)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_goes_by_readiness_loses_nothing(workers: int) -> None:
    """Told twice, so that the drain is over when the balancer has heard of it, however busy the machine is; what
    is told once is in tests/service/test_drain.py."""
    found = stop(workers, twice=True)
    assert missed(replace(found, seconds=0.0)) == [], found


def test_a_service_that_does_not_drain_is_found_out() -> None:
    assert missed(replace(stop(1, twice=False, drain_seconds=0), seconds=0.0)) == [
        "requests that were not answered, or not rightly"
    ]
