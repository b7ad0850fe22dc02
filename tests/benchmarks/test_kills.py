"""In short: the long form is python -m benchmarks.kills. On outcomes: seconds are another machine's."""

import pytest

from benchmarks.kills import gates, kills

SOUND = {"wrong": [], "latencies": [0.01, 0.2], "back": [0.1, 0.3]}
WRONG = [
    ({"wrong": ["1 IncompleteReadError"]}, "requests that were not answered, or not rightly"),
    ({"back": [0.1, 2.1]}, "until a killed worker is replaced, at worst"),
    ({"latencies": [0.01, 2.1]}, "a request, at worst"),
]


@pytest.mark.parametrize(("spoilt", "what"), [({}, None), *WRONG])
def test_whatever_goes_wrong_misses_the_gate_that_is_there_for_it(spoilt: dict[str, list], what: str | None) -> None:
    missed = [gate.what for gate in gates(**(SOUND | spoilt)) if not gate.met]
    assert missed == ([what] if what else [])


def test_killed_workers_cost_no_request() -> None:
    callers, back = kills(3)
    assert callers.wrong == []
    assert callers.outcomes["200 7"] > 0
    assert back


def test_without_the_first_process_s_hold_requests_are_lost() -> None:
    callers, _ = kills(1, control=True)
    assert callers.wrong
    assert callers.outcomes["200 7"] > 0
