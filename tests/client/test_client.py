"""Client and AsyncClient through the same cases, over a socket."""

import socket
from pathlib import Path
from typing import Any

import httpx2
import maxpool_client
import pytest
from maxpool_client import Health, Model, ModelDetail, Picture, Prediction, Refused, Score, Sentence
from maxpool_client._types import parse_answers
from PIL import Image
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .conftest import Caller, StandIn


def test_a_picture_is_the_body(call: Caller, stand_in: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(b"seven")
    answer = call(stand_in.url, lambda c: c.classify("lenet5-mnist", path))
    assert answer == Prediction(
        label="seven",
        index=7,
        score=0.75,
        top=(Score("seven", 7, 0.75), Score("x", 1, 0.25)),
        model="lenet5-mnist",
        version="1",
        input=Picture(format="PNG", width=28, height=20, mode="L", orientation=1),
    )
    assert answer.timing == {"decode": 0.125, "queue": 0.0, "infer": 0.002}
    assert stand_in.requests[0].kind == "application/octet-stream"


def test_a_sentence_is_the_body(call: Caller, stand_in: StandIn) -> None:
    answer = call(stand_in.url, lambda c: c.classify("textcnn-rt", "a joy"))
    assert (answer.label, answer.input) == ("a joy", Sentence(characters=5))
    assert stand_in.requests[0].kind == "text/plain"


def test_pictures_of_every_kind_travel_in_one_form(call: Caller, stand_in: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"one")
    answers = call(stand_in.url, lambda c: c.classify("m", [path, str(path), b"two", Image.new("L", (1, 1))]))
    assert [answer.label for answer in answers[:3]] == ["one", "one", "two"]
    (request,) = stand_in.requests
    assert request.kind == "multipart/form-data"
    assert request.inputs[3].startswith(b"\x89PNG")


def test_sentences_travel_as_json(call: Caller, stand_in: StandIn) -> None:
    answers = call(stand_in.url, lambda c: c.classify("m", ("a joy", "a bore")))
    assert [answer.label for answer in answers] == ["a joy", "a bore"]
    assert stand_in.requests[0].kind == "application/json"


def test_a_bad_input_is_refused_in_its_place(call: Caller, stand_in: StandIn) -> None:
    answers = call(stand_in.url, lambda c: c.classify("m", [b"a", b"bad", b"c"]))
    assert [type(answer) for answer in answers] == [Prediction, Refused, Prediction]
    assert answers[1] == Refused(error="not a picture", code=400)


def test_a_bad_input_alone_in_a_list_is_refused_as_among_many(call: Caller, stand_in: StandIn) -> None:
    assert call(stand_in.url, lambda c: c.classify("m", [b"bad"])) == [Refused(error="not a picture", code=400)]


def test_a_bad_input_alone_raises(call: Caller, stand_in: StandIn) -> None:
    with pytest.raises(maxpool_client.InvalidInput, match="not a picture") as caught:
        call(stand_in.url, lambda c: c.classify("m", b"bad"))
    assert caught.value.status == 400
    assert caught.value.request.url.path == "/v1/models/m/predict"


def test_a_long_list_is_split_and_answered_in_order(call: Caller, stand_in: StandIn) -> None:
    sentences = [f"sentence {n}" for n in range(150)]
    answers = call(stand_in.url, lambda c: c.classify("m", sentences))
    assert [answer.label for answer in answers] == sentences
    assert [len(request.inputs) for request in stand_in.requests] == [64, 64, 22]


def test_an_empty_list_asks_nothing(call: Caller, stand_in: StandIn) -> None:
    assert call(stand_in.url, lambda c: c.classify("m", [])) == []
    assert stand_in.requests == []


def test_a_list_of_both_kinds_is_refused_before_anything_is_sent(call: Caller, stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="both pictures and sentences"):
        call(stand_in.url, lambda c: c.classify("m", [b"a", "a joy"]))
    assert stand_in.requests == []


def test_version_and_top_k_reach_the_service(call: Caller, stand_in: StandIn) -> None:
    assert call(stand_in.url, lambda c: c.classify("m", b"a", top_k=3, version=2)).version == "2"
    assert (stand_in.requests[0].path, stand_in.requests[0].query) == ("/v1/models/m/versions/2/predict", "top_k=3")


def test_a_top_k_below_one_is_refused_before_anything_is_sent(call: Caller, stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="top_k is 0"):
        call(stand_in.url, lambda c: c.classify("m", b"a", top_k=0))


def test_models_are_listed_and_described(call: Caller, stand_in: StandIn) -> None:
    listed = call(stand_in.url, lambda c: c.models())
    assert listed == [Model("lenet5-mnist", version="1", task="image-classification", status="ready")]
    described = call(stand_in.url, lambda c: c.model("lenet5-mnist"))
    assert isinstance(described, ModelDetail)
    assert (described.labels, described.spec) == (("0", "1"), {"title": "Digits"})
    with pytest.raises(maxpool_client.UnknownModel, match="there is no model 'lenet6'"):
        call(stand_in.url, lambda c: c.model("lenet6"))


def test_health_is_one_look(call: Caller, stand_in: StandIn, slept: list[float]) -> None:
    assert call(stand_in.url, lambda c: c.health()) == Health(ready=True)
    stand_in.instead.append(JSONResponse({"error": "loading"}, 503, headers={"retry-after": "1"}))
    assert call(stand_in.url, lambda c: c.health()) == Health(ready=False, reason="loading")
    stand_in.instead.append(JSONResponse({"error": "broken"}, 500))
    with pytest.raises(maxpool_client.ServerError, match="broken"):
        call(stand_in.url, lambda c: c.health())
    assert slept == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, maxpool_client.InvalidInput),
        (413, maxpool_client.InvalidInput),
        (415, maxpool_client.InvalidInput),
        (404, maxpool_client.UnknownModel),
        (429, maxpool_client.Overloaded),
        (503, maxpool_client.Overloaded),
        (500, maxpool_client.ServerError),
        (502, maxpool_client.ServerError),
        (307, maxpool_client.StatusError),
        (409, maxpool_client.StatusError),
    ],
)
def test_each_status_has_its_error(call: Caller, stand_in: StandIn, status: int, kind: type[Exception]) -> None:
    stand_in.instead.append(JSONResponse({"error": "so it goes"}, status))
    with pytest.raises(maxpool_client.StatusError, match="so it goes") as caught:
        call(stand_in.url, lambda c: c.classify("m", b"a"), max_retries=0)
    assert type(caught.value) is kind
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        ("InputTooLarge", 400, maxpool_client.InvalidInput),
        ("HeadTooLarge", 431, maxpool_client.InvalidInput),
        ("NotFound", 404, maxpool_client.StatusError),
        ("UnknownModel", 404, maxpool_client.UnknownModel),
        ("TooManyConnections", 503, maxpool_client.Overloaded),
        ("DeadlineExceeded", 504, maxpool_client.TimedOut),
        ("of a later version", 404, maxpool_client.UnknownModel),
    ],
)
def test_the_reason_is_kept_and_decides_before_the_status(
    call: Caller, stand_in: StandIn, reason: str, status: int, kind: type[Exception]
) -> None:
    stand_in.instead.append(JSONResponse({"error": "so it goes", "reason": reason}, status))
    with pytest.raises(maxpool_client.MaxpoolError, match="so it goes") as caught:
        call(stand_in.url, lambda c: c.classify("m", b"a"), max_retries=0)
    assert type(caught.value) is kind
    assert caught.value.reason == reason


def test_a_bad_input_among_many_has_its_reason() -> None:
    body = {"model": "m", "version": "1", "predictions": [{"error": "no", "code": 400, "reason": "InvalidInput"}]}
    (answer,) = parse_answers(httpx2.Response(200, json=body))
    assert answer == maxpool_client.Refused(error="no", code=400, reason="InvalidInput")


def test_a_form_is_sent_whole_again_after_the_pause(call: Caller, stand_in: StandIn, slept: list[float]) -> None:
    busy = JSONResponse({"error": "busy"}, 503, headers={"retry-after": "2"})
    stand_in.instead += [busy, busy]
    answers = call(stand_in.url, lambda c: c.classify("m", [b"a", b"b"]))
    assert [answer.label for answer in answers] == ["a", "b"]
    assert [request.inputs for request in stand_in.requests] == [[b"a", b"b"]] * 3
    assert [int(pause) for pause in slept] == [2, 2]


def test_overloaded_says_when_to_come_back(call: Caller, stand_in: StandIn, slept: list[float]) -> None:
    stand_in.instead += [JSONResponse({"error": "busy"}, 503, headers={"retry-after": "2"})] * 3
    with pytest.raises(maxpool_client.Overloaded, match="busy") as caught:
        call(stand_in.url, lambda c: c.classify("m", b"a"))
    assert caught.value.retry_after == 2
    assert len(slept) == 2


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("hello"),
        JSONResponse(["hello"]),
        JSONResponse({"model": "m", "version": "1", "predictions": [{}]}),
        JSONResponse({"model": "m", "version": "1", "predictions": []}),
    ],
)
def test_an_answer_that_is_not_maxpools_is_told_apart(call: Caller, stand_in: StandIn, answer: Response) -> None:
    stand_in.instead.append(answer)
    with pytest.raises(maxpool_client.UnexpectedAnswer):
        call(stand_in.url, lambda c: c.classify("m", b"a"))


def test_an_error_page_of_a_proxy_is_told_by_its_status(call: Caller, stand_in: StandIn) -> None:
    stand_in.instead.append(PlainTextResponse("<html>", 502))
    with pytest.raises(maxpool_client.ServerError, match="/v1/models answered 502 Bad Gateway"):
        call(stand_in.url, lambda c: c.models(), max_retries=0)


def test_a_refused_connection_is_tried_again_and_named(call: Caller, slept: list[float]) -> None:
    with socket.socket() as bound:  # a port that nobody listens on
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(maxpool_client.ConnectionFailed, match=f"could not talk to {url}"):
            call(url, lambda c: c.classify("m", "a joy"))
        assert len(slept) == 2
        with pytest.raises(maxpool_client.ConnectionFailed):
            call(url, lambda c: c.health())


def test_a_silent_service_times_out(call: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(maxpool_client.TimedOut, match="did not answer in time"):
            call(url, lambda c: c.classify("m", "a joy"), timeout=0.05)


def test_a_transport_of_ones_own_takes_the_requests(call: Caller) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["user-agent"] == "maxpool-client"
        return httpx2.Response(200, json={"models": []})

    transport: Any = httpx2.MockTransport(answer)
    assert call("http://maxpool.test", lambda c: c.models(), transport=transport) == []
