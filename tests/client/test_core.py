"""The core, driven step by step: no network, no clock."""

from typing import Any

import httpx2
import pytest
from maxpool_client import ConnectionFailed, InvalidInput, MaxpoolError, Overloaded, Refused, ServerError, TimedOut
from maxpool_client._core import Call, Core, Load
from maxpool_client._retries import Pause

URL = "http://maxpool.test"
REFUSED = httpx2.ConnectError("refused")
LIST: dict[str, Any] = {"models": []}


def drive(call: Call[Any], *answers: httpx2.Response | httpx2.RequestError) -> tuple[Any, list[float]]:
    """What the call returns or raises when its requests are answered so, and the pauses it asked for."""
    left = list(answers)
    pauses: list[float] = []
    answer: Any = None
    while True:
        try:
            step = call.send(answer)
        except StopIteration as stop:
            assert not left, "asked too few times"
            return stop.value, pauses
        except MaxpoolError as error:
            assert not left, "asked too few times"
            return error, pauses
        match step:
            case Pause():
                pauses.append(step.seconds)
                answer = None
            case Load():
                answer = step.run()
            case httpx2.Request():
                answer = left.pop(0)
                answer.request = step


def said(status: int, **headers: str) -> httpx2.Response:
    body = LIST if status == 200 else {"error": "no"}
    return httpx2.Response(status, json=body, headers={name.replace("_", "-"): v for name, v in headers.items()})


def core(max_retries: int = 2, jitter: float = 0.0) -> Core:
    return Core(URL, max_retries=max_retries, jitter=lambda: jitter)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_status_is_asked_again(status: int) -> None:
    assert drive(core().models(), said(status), said(status), said(200)) == ([], [0.25, 0.5])


@pytest.mark.parametrize("error", [REFUSED, httpx2.ReadError("reset"), httpx2.RemoteProtocolError("hung up")])
def test_a_lost_connection_is_tried_again(error: httpx2.RequestError) -> None:
    assert drive(core().models(), error, said(200)) == ([], [0.25])


@pytest.mark.parametrize("status", [400, 404, 413, 415, 500, 501])
def test_a_lasting_status_is_not_asked_again(status: int) -> None:
    error, pauses = drive(core().models(), said(status))
    assert (error.status, error.message, pauses) == (status, "no", [])


@pytest.mark.parametrize("error", [httpx2.ReadTimeout("slow"), httpx2.ConnectTimeout("slow")])
def test_a_timeout_is_not_waited_for_twice(error: httpx2.RequestError) -> None:
    raised, pauses = drive(core().models(), error)
    assert (type(raised), pauses) == (TimedOut, [])
    assert raised.__cause__ is error


def test_retries_end() -> None:
    raised, pauses = drive(core(max_retries=1).models(), REFUSED, REFUSED)
    assert (type(raised), str(raised)) == (ConnectionFailed, f"could not talk to {URL}: refused")
    assert pauses == [0.25]
    assert type(drive(core(max_retries=0).models(), said(502))[0]) is ServerError


def test_the_pause_doubles_up_to_eight_seconds() -> None:
    pauses = drive(core(max_retries=8).models(), *[said(502)] * 9)[1]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 8, 8]


def test_jitter_takes_up_to_half_of_the_pause() -> None:
    assert drive(core(jitter=1.0).models(), said(502), said(200))[1] == [0.125]


def test_retry_after_is_waited_for_and_the_backoff_after_it() -> None:
    assert drive(core().models(), said(503, retry_after="3"), said(200))[1] == [3.25]


@pytest.mark.parametrize("header", ["Wed, 21 Oct 2026 07:28:00 GMT", "nan", "inf", "-1", ""])
def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(header: str) -> None:
    assert drive(core().models(), said(503, retry_after=header), said(200))[1] == [0.25]


def test_a_very_long_retry_after_is_told_rather_than_waited_for() -> None:
    raised, pauses = drive(core().models(), said(503, retry_after="3600"))
    assert (type(raised), raised.retry_after, pauses) == (Overloaded, 3600, [])


def test_inputs_too_large_together_are_sent_in_halves() -> None:
    def predictions(count: int) -> httpx2.Response:
        answer = {"label": "7", "index": 7, "score": 1.0, "top": []}
        return httpx2.Response(200, json={"model": "m", "version": "1", "predictions": [answer] * count})

    call = core().classify("m", [b"1", b"2", b"3"], top_k=None, version=None, timeout=None)
    answers, _ = drive(call, said(413), predictions(1), said(413), said(413), predictions(1))
    assert [type(answer).__name__ for answer in answers] == ["Prediction", "Refused", "Prediction"]
    assert answers[1] == Refused(error="no", code=413)


def test_a_list_that_is_wrong_as_a_whole_raises() -> None:
    call = core().classify("m", [b"1", b"2"], top_k=None, version=None, timeout=None)
    assert isinstance(drive(call, said(400))[0], InvalidInput)
    call = core().classify("m", [b"1"], top_k=None, version=None, timeout=None)
    assert drive(call, said(415))[0].status == 415


@pytest.mark.parametrize(
    "base_url", ["localhost:8000", "", "ftp://maxpool.test", "http://", "http://maxpool:port", "/v1"]
)
def test_a_base_url_that_is_none_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Core(base_url, max_retries=2)


def test_negative_retries_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="max_retries"):
        core(max_retries=-1)


def test_a_base_url_may_have_a_path_and_a_name_is_quoted() -> None:
    call = Core(f"{URL}/maxpool/", max_retries=0).model("a/b c")
    request = call.send(None)
    assert isinstance(request, httpx2.Request)
    assert str(request.url) == f"{URL}/maxpool/v1/models/a%2Fb%20c"
