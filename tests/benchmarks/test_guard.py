"""A request's CPU time against the bare echo's, in one run on one machine: no clock is asked."""

import sys
from contextlib import AbstractContextManager
from functools import partial

import pytest

from benchmarks.bodies import Workload, digits, sentences
from benchmarks.servers import Server, echo, free_port, ready, service
from benchmarks.slices import in_turn, measure

SECONDS, SLICES = 0.7, 6
# In units of the bare echo, some 20 microseconds. Over twice what was measured, since caches are shared with
# whatever else runs: it finds a lost fast path, a middleware or a thread too many, not a few microseconds.
BOUNDS = {"lenet5-mnist": 12, "textcnn-mr": 10}


@pytest.fixture(autouse=True)
def _the_same_generator_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.load.WRK", None)


def slowed_service() -> AbstractContextManager[Server]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "tests.benchmarks.slowed:create_app"]
    return ready([*command, "--port", str(port), "--no-access-log"], port, {"MAXPOOL_WORKERS": "1"})


def in_echoes(server: Server, bare: Server, workload: Workload) -> float:
    """CPU time of a request over that of the echo, of each the least: what else the machine does only adds to it, and
    to ours the more, since requests that are held up come one by one instead of together."""
    calls = [partial(measure, each, workload, connections=64, seconds=SECONDS) for each in (server, bare)]
    for call in calls:
        call()
    ours, echoed = in_turn(calls, SLICES)
    return min(each.cpu for each in ours) / min(each.cpu for each in echoed)


@pytest.mark.parametrize("workload", [digits(), sentences()], ids=list(BOUNDS))
def test_a_request_costs_no_more_than_so_many_bare_echoes(workload: Workload) -> None:
    with echo(workers=1) as bare, service(workers=1) as ours:
        found = in_echoes(ours, bare, workload)
    print(f"{workload.title}: {found:.1f} echoes")
    assert found <= BOUNDS[workload.model.parent.name]


def test_a_service_that_was_made_slow_is_found_out() -> None:
    with echo(workers=1) as bare, slowed_service() as ours:
        assert in_echoes(ours, bare, digits()) > BOUNDS["lenet5-mnist"]
