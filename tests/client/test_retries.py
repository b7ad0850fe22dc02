"""Budget, deadline and patience, on a clock that the test moves."""

from typing import Any

import httpx2
import pytest
from maxpool_client import ConnectionFailed, Overloaded, TimedOut
from maxpool_client._core import Call, Core, Limits
from maxpool_client._retries import Budget, Pause

URL = "http://maxpool.test"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def core(clock: Clock, timeout: float | None = None, max_retries: int = 2) -> Core:
    return Core(URL, timeout=timeout, max_retries=max_retries, jitter=lambda: 0.0, clock=clock)


def drive(call: Call[Any], clock: Clock, answer: Any, takes: float = 0.0) -> tuple[Exception, list[httpx2.Request]]:
    """What the call raises when each try takes so long and is answered so, and the tries."""
    tries: list[httpx2.Request] = []
    sent: Any = None
    while True:
        try:
            step = call.send(sent)
        except Exception as error:
            return error, tries
        if isinstance(step, Pause):
            clock.now += step.seconds
            sent = None
        else:
            assert isinstance(step, httpx2.Request)
            tries.append(httpx2.Request("GET", step.url, headers=step.headers))
            clock.now += takes
            sent = answer
            sent.request = step


def refused() -> httpx2.RequestError:
    return httpx2.ConnectError("refused")


def test_what_is_left_of_the_timeout_travels_with_each_try() -> None:
    clock = Clock()
    _, tries = drive(core(clock, timeout=10).models(), clock, refused(), takes=1)
    assert [request.headers["x-request-timeout-ms"] for request in tries] == ["10000", "8750", "7250"]


def test_without_a_timeout_no_deadline_travels() -> None:
    clock = Clock()
    _, tries = drive(core(clock).models(), clock, refused())
    assert "x-request-timeout-ms" not in tries[0].headers


def test_a_deadline_of_weeks_is_one_that_the_service_reads() -> None:
    clock = Clock()
    _, tries = drive(core(clock, timeout=1e9, max_retries=0).models(), clock, refused())
    assert tries[0].headers["x-request-timeout-ms"] == "999999999"


def test_each_phase_of_a_request_may_take_what_is_left() -> None:
    clock = Clock()
    request = core(clock, timeout=3).models().send(None)
    assert isinstance(request, httpx2.Request)
    assert request.extensions["timeout"].get("connect") == 3
    clock.now += 2
    assert request.extensions["timeout"].get("read") == 1
    clock.now += 5
    assert 0 < request.extensions["timeout"].get("read") < 0.01


def test_no_pause_is_begun_that_the_deadline_cuts_short() -> None:
    clock = Clock()
    error, tries = drive(core(clock, timeout=1.2, max_retries=9).models(), clock, refused(), takes=0.1)
    assert (type(error), len(tries)) == (ConnectionFailed, 3)
    assert clock.now < 101.2


def test_a_budget_is_ten_retries_and_a_tenth_of_what_succeeds() -> None:
    budget = Budget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(10):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]


def test_all_calls_of_a_client_share_the_budget() -> None:
    clock = Clock()
    shared = core(clock)
    tries = sum(len(drive(shared.models(), clock, refused())[1]) for _ in range(20))
    assert tries == 20 + 10


def test_patience_outlasts_retries_and_timeout_and_ends() -> None:
    clock = Clock()
    limits = Limits(timeout=1, patience=60)
    error, tries = drive(core(clock, max_retries=0).model("m", None, limits), clock, refused())
    assert type(error) is ConnectionFailed
    assert len(tries) > 8
    assert 150 < clock.now < 160
    assert {request.headers["x-request-timeout-ms"] for request in tries} == {"1000"}


def test_patience_waits_for_a_busy_service_and_not_for_a_slow_one() -> None:
    clock = Clock()
    limits = Limits(timeout=1, patience=5)
    busy = httpx2.Response(503, json={"error": "busy"}, headers={"retry-after": "1"})
    error, tries = drive(core(clock).model("m", None, limits), clock, busy)
    assert (type(error), len(tries)) == (Overloaded, 4)
    error, tries = drive(core(clock).model("m", None, limits), clock, httpx2.ReadTimeout("slow"))
    assert (type(error), len(tries)) == (TimedOut, 1)
    late = httpx2.Response(504, json={"error": "too late"})
    error, tries = drive(core(clock).model("m", None, limits), clock, late)
    assert (type(error), str(error), len(tries)) == (TimedOut, "too late", 1)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_that_is_none_is_refused_at_once(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout is"):
        core(Clock(), timeout=timeout)


@pytest.mark.parametrize("api_key", ["schlüssel", "two\nlines"])
def test_an_api_key_that_no_header_can_carry_is_refused_at_once(api_key: str) -> None:
    with pytest.raises(ValueError, match="api_key has characters"):
        Core(URL, max_retries=0, api_key=api_key)
