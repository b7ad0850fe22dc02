"""In short, of one net: the long form is python -m benchmarks.endurance."""

from contextlib import AbstractContextManager

import pytest

from benchmarks.endurance import Endured, Look, endure, gates
from benchmarks.mix import Case, mix
from benchmarks.servers import Server, faulty, service

REQUESTS, SLICE_SECONDS = 12_000, 1.0
SLOPE, GROWTH = 30.0, 5.0  # MiB; a leak of 1 KB a request is 98 per 100,000, and 8 in these


def few(server: Server) -> list[Case]:
    return [case for case in mix(server.url) if case.what.startswith("lenet5-mnist, ")][:100]


def missed(running: AbstractContextManager[Server]) -> list[str]:
    with running as server:
        endured = endure(server, few(server), REQUESTS, others=False, slice_seconds=SLICE_SECONDS)
    for gate in (found := gates(endured, slope_bound=SLOPE, growth_bound=GROWTH)):
        print(gate)
    return [gate.what for gate in found if not gate.met]


def test_requests_leave_nothing_behind() -> None:
    assert missed(service(workers=2)) == []


def test_a_service_that_leaks_a_kilobyte_a_request_is_found_out() -> None:
    found = missed(faulty("leaking"))
    assert [what for what in found if "slope" in what and "PSS" in what]
    assert [what for what in found if "slope" in what and "RSS" in what]


@pytest.fixture
def flat() -> list[Look]:
    return [Look(requests, 100.0, 300.0, 50) for requests in range(0, 1_000_001, 10_000)]


def test_a_slope_is_that_of_the_last_half_and_growth_that_since_the_warming_up(flat: list[Look]) -> None:
    def rising(until: int) -> list[Look]:
        """By 50 MiB."""
        return [Look(each.requests, 50 + 50 * min(1, each.requests / until), 300.0, 50) for each in flat]

    leaking = [Look(each.requests, 100.0, 300 + each.requests / 1e5 * 1.1, 50) for each in flat]
    for looks, expected in (
        (flat, []),
        (rising(100_000), []),
        (rising(500_000), ["PSS, growth after warming up"]),
        (leaking, ["RSS, slope per 100,000 requests over the last half"]),
    ):
        assert [gate.what for gate in gates(Endured(looks, 1.0, [], set())) if not gate.met] == expected


def test_a_descriptor_more_and_a_process_less_are_found_out(flat: list[Look]) -> None:
    last = [Look(each.requests, 100.0, 300.0, 51) for each in flat[-5:]]
    found = [gate for gate in gates(Endured([*flat[:-5], *last], 1.0, ["a 500"], {7})) if not gate.met]
    assert len(found) == 3
