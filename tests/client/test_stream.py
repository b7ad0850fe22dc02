"""classify_many against `python -m service`, with Client and AsyncClient."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import maxpool_client
import numpy as np
import pytest
from maxpool_client import AsyncClient, Client, Prediction, Refused
from maxpool_client._stream import PACK_INPUTS
from PIL import Image
from starlette.responses import JSONResponse

from .conftest import Caller, StandIn, all_of, call_async

COLOURS = ("red", "lime", "blue")
LABELS = ("red", "green", "blue")
LENGTHS = ("so it goes", "a film that goes on and on")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for number in range(30):
        path = folder / f"{number // 10}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), COLOURS[number % 3]).save(path)
    return folder


def test_a_folder_is_classified_in_the_order_of_its_names(call: Caller, tiny_url: str, pictures: Path) -> None:
    answers = call(tiny_url, lambda c: all_of(c.classify_many("colour", pictures)))
    assert [path for path, _ in answers] == sorted(pictures.rglob("*.png"))
    assert [answer.label for _, answer in answers] == [LABELS[n % 3] for n in range(30)]


def test_a_long_stream_keeps_its_order_and_pulls_no_more_than_it_can_send(call: Caller, tiny_url: str) -> None:
    pulled, ahead, concurrency, count = 0, 0, 2, 4000

    def given() -> Iterator[str]:
        nonlocal pulled
        for turn in range(count):
            pulled += 1
            yield LENGTHS[turn % 2]

    def note(place: int, pair: tuple[Any, Any]) -> None:
        nonlocal ahead
        ahead = max(ahead, pulled - place)
        assert pair[1].label == ("short", "long")[place % 2]

    def use(client: Client | AsyncClient) -> Any:
        answers: Any = client.classify_many("length", given(), concurrency=concurrency)
        if not isinstance(answers, AsyncIterator):
            return [note(place, pair) for place, pair in enumerate(answers)]

        async def noted() -> list[None]:
            place, notes = 0, []
            async for pair in answers:
                notes.append(note(place, pair))
                place += 1
            return notes

        return noted()

    assert len(call(tiny_url, use)) == count
    # What is under way, the pack that is being filled, and the one input that did not fit into it.
    assert ahead <= (concurrency + 1) * PACK_INPUTS + 1


def test_a_slow_source_has_each_answer_before_its_next_input_is_pulled(
    call: Caller, tiny_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maxpool_client._stream.SLOW_PULL", 0.0)
    order: list[str] = []

    def given() -> Iterator[str]:
        for sentence in LENGTHS * 2:
            order.append("pulled")
            yield sentence

    def use(client: Client | AsyncClient) -> Any:
        answers: Any = client.classify_many("length", given())
        if not isinstance(answers, AsyncIterator):
            return [order.append("answered") for _ in answers]

        async def noted() -> list[None]:
            return [order.append("answered") async for _ in answers]

        return noted()

    call(tiny_url, use)
    assert order == ["pulled", "answered"] * 4


def test_bad_inputs_among_good_ones_are_refused_in_their_places(
    call: Caller, tiny_url: str, pictures: Path, tmp_path: Path
) -> None:
    good = pictures / "0" / "00.png"
    unreadable = tmp_path / "gone.png"
    unreadable.symlink_to(tmp_path / "nowhere.png")
    given = [good, b"no picture", tmp_path / "none.png", unreadable, "a sentence", 7, tmp_path / "no/*.png", good]
    given[6] = str(given[6])
    answers = call(tiny_url, lambda c: all_of(c.classify_many("colour", given)))
    assert [each for each, _ in answers] == given
    found = [answer for _, answer in answers]
    assert [type(answer) for answer in found] == [Prediction, *[Refused] * 6, Prediction]
    assert found[1].code == 400
    assert [type(answer.cause) for answer in found[2:7]] == [
        FileNotFoundError,
        FileNotFoundError,
        TypeError,
        TypeError,
        FileNotFoundError,
    ]
    assert "the model takes pictures" in found[4].error


def test_a_picture_is_never_taken_for_a_sentence(call: Caller, tiny_url: str) -> None:
    answers = call(tiny_url, lambda c: all_of(c.classify_many("length", [LENGTHS[0], b"abcd"])))
    assert [type(answer) for _, answer in answers] == [Prediction, Refused]


def test_every_kind_of_picture_is_classified(call: Caller, tiny_url: str, pictures: Path) -> None:
    red = pictures / "0" / "00.png"
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., 2] = 255
    with open(red, "rb") as file:
        given = [red, str(red), red.read_bytes(), file, Image.new("RGB", (8, 8), "lime"), pixels, f"{pictures}/2/2*"]
        answers = call(tiny_url, lambda c: all_of(c.classify_many("colour", given)))
    labels = [answer.label for _, answer in answers]
    assert labels == ["red"] * 4 + ["green", "blue"] + [LABELS[n % 3] for n in range(20, 30)]


def test_a_single_input_is_a_stream_of_one(call: Caller, tiny_url: str, pictures: Path) -> None:
    for given in (pictures / "0" / "00.png", np.full((8, 8), 9, np.uint8), Image.new("RGB", (8, 8))):
        assert len(call(tiny_url, lambda c, given=given: all_of(c.classify_many("colour", given)))) == 1
    batch = np.zeros((3, 8, 8, 3), np.uint8)
    assert len(call(tiny_url, lambda c: all_of(c.classify_many("colour", batch)))) == 3
    assert call(tiny_url, lambda c: all_of(c.classify_many("colour", []))) == []


def test_async_iterators_are_inputs_of_the_async_client(tiny_url: str) -> None:
    async def given() -> AsyncIterator[str]:
        for sentence in LENGTHS:
            yield sentence

    answers = call_async(tiny_url, lambda c: all_of(c.classify_many("length", given())))
    assert [answer.label for _, answer in answers] == ["short", "long"]


def test_packs_too_large_for_the_service_become_smaller(call: Caller, tiny_url: str) -> None:
    noise = Image.effect_noise((700, 700), 100).convert("RGB")  # about 1 MB as PNG, 4 MiB at most together
    given = [noise] * 24 + [Image.new("RGB", (8, 8), "red")] * 100
    answers = call(tiny_url, lambda c: all_of(c.classify_many("colour", given)))
    assert [type(answer) for _, answer in answers] == [Prediction] * 124


def test_small_pictures_travel_as_base64_and_large_ones_in_a_form(call: Caller, stand_in: StandIn) -> None:
    call(stand_in.url, lambda c: all_of(c.classify_many("lenet5-mnist", [b"a", b"b" * 5000], concurrency=1)))
    assert [request.kind for request in stand_in.requests] == ["application/json", "multipart/form-data"]
    assert [request.inputs for request in stand_in.requests] == [[b"a"], [b"b" * 5000]]


def test_an_input_that_the_service_fails_on_does_not_spoil_the_others(call: Caller, stand_in: StandIn) -> None:
    stand_in.instead += [JSONResponse({"error": "no such row"}, 500)] * 2
    given = [b"a", b"b", b"c"]
    answers = call(stand_in.url, lambda c: all_of(c.classify_many("lenet5-mnist", given, concurrency=1)))
    # The first leaves alone and fails; of the two that follow together, each is asked alone.
    assert [type(answer) for _, answer in answers] == [Refused, Prediction, Prediction]
    assert isinstance(answers[0][1].cause, maxpool_client.ServerError)


def test_a_pack_that_is_not_answered_in_time_is_refused_and_the_stream_goes_on(call: Caller, stand_in: StandIn) -> None:
    stand_in.instead.append(Silence())
    answers = call(
        stand_in.url, lambda c: all_of(c.classify_many("lenet5-mnist", [b"a", b"b"], concurrency=1, timeout=0.3))
    )
    assert [type(answer) for _, answer in answers] == [Refused, Prediction]
    assert isinstance(answers[0][1].cause, maxpool_client.TimedOut)


class Silence(JSONResponse):
    """An answer that comes too late."""

    def __init__(self) -> None:
        super().__init__({})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)
        await super().__call__(scope, receive, send)


def test_a_stream_that_is_left_while_it_waits_does_not_ask_again(stand_in: StandIn) -> None:
    stand_in.instead.append(JSONResponse({"error": "busy"}, 503, headers={"retry-after": "30"}))

    def given() -> Iterator[bytes]:
        yield b"a"
        while not stand_in.requests:
            time.sleep(0.01)
        raise RuntimeError("enough")

    with Client(stand_in.url) as client, pytest.raises(RuntimeError, match="enough"):
        list(client.classify_many("lenet5-mnist", given()))
    assert len(stand_in.requests) == 1


def test_an_unknown_model_is_raised_before_anything_is_pulled(call: Caller, tiny_url: str) -> None:
    inputs = iter(LENGTHS)
    with pytest.raises(maxpool_client.UnknownModel):
        call(tiny_url, lambda c: all_of(c.classify_many("nothing", inputs)))
    assert list(inputs) == list(LENGTHS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"concurrency": 0}, "concurrency is 0"), ({"patience": 0}, "patience is 0"), ({"top_k": 0}, "top_k is 0")],
    ids=str,
)
def test_options_that_are_none_are_refused_at_once(
    call: Caller, tiny_url: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(tiny_url, lambda c: c.classify_many("length", LENGTHS, **options))


def test_what_an_iterator_raises_reaches_the_caller(call: Caller, tiny_url: str) -> None:
    def given() -> Iterator[str]:
        yield LENGTHS[0]
        raise RuntimeError("the camera fell down")

    with pytest.raises(RuntimeError, match="the camera fell down"):
        call(tiny_url, lambda c: all_of(c.classify_many("length", given())))


def test_a_stream_that_is_left_early_leaves_no_threads(tiny_url: str) -> None:
    with Client(tiny_url) as client:
        answers = client.classify_many("length", (LENGTHS[0] for _ in iter(int, 1)))
        assert next(answers)[1] is not None
        answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maxpool")]


def test_the_key_and_the_deadline_travel_in_headers(
    call: Caller, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAXPOOL_API_KEY", "from-the-environment")
    call(stand_in.url, lambda c: c.classify("m", b"a"))
    call(stand_in.url, lambda c: c.classify("m", b"a", timeout=0.9), api_key="given")
    call(stand_in.url, lambda c: all_of(c.classify_many("lenet5-mnist", [b"a"], timeout=7)))
    headers = [request.headers for request in stand_in.requests]
    assert [each["authorization"] for each in headers[:2]] == ["Bearer from-the-environment", "Bearer given"]
    times = [int(each["x-request-timeout-ms"]) for each in headers]
    assert 10_000 < times[0] <= 30_000
    assert 0 < times[1] <= 900
    assert 900 < times[2] <= 7_000


def test_a_key_that_is_not_taken_is_told(call: Caller, stand_in: StandIn) -> None:
    stand_in.instead.append(JSONResponse({"error": "this needs a key"}, 401))
    with pytest.raises(maxpool_client.Unauthorized, match="this needs a key"):
        call(stand_in.url, lambda c: c.models())
