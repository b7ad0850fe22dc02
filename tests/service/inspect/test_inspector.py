"""One at a time, at the lowest priority, and nothing stays of it."""

import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.proof import prove
from service.engine.schedule import within
from service.errors import DeadlineExceeded, Disconnected, InvalidInput, Overloaded, Unavailable
from service.inspect import inspector as module
from service.inspect.inspector import Inspector
from service.inspect.question import Question
from service.metrics import Metrics
from tests.conftest import eventually, plain, write_colour

RED = plain("red")


def load(folder: Path) -> Model:
    return Model(
        prove(folder, provider="cpu"),
        lanes=Lanes(1),
        readers=ThreadPoolExecutor(1),
        queue_rows=8,
        max_pixels=10_000,
        metrics=Metrics().of_model("colour", "1"),
    )


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load(write_colour(tmp_path / "colour" / "1"))


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Every inspection waits for it."""
    event = threading.Event()

    def wait(*args: Any, **named: Any) -> tuple[bytes, bytes]:
        event.wait(20)
        return b"{}", b"application/json"

    monkeypatch.setattr(module, "read_and_answer", wait)
    return event


def test_the_answer_is_the_model_s(model: Model) -> None:
    async def ask() -> tuple[bytes, bytes]:
        inspector = Inspector(max_pixels=10_000)
        return await inspector.look(model, RED, Question(methods=("cam",)), within(20))

    body, media_type = asyncio.run(ask())
    said = orjson.loads(body)
    assert media_type == b"application/json"
    assert said["prediction"]["label"] == "red"
    assert said["cam"]["says"] == "cells 10.000 + bias 0.000 = logit 10.000"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_the_thread_of_the_runs_alone_steps_back() -> None:
    inspector = Inspector(max_pixels=1)

    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = own()
    assert inspector._runs.submit(own).result() == 19
    assert inspector._thread.submit(own).result() == own() == before < 19
    inspector.close()


def test_who_waits_too_long_for_another_is_told_when_to_ask_again(
    model: Model, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)

    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        first = asyncio.create_task(inspector.look(model, RED, Question(), within(20)))
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="another inspection") as refused:
            await inspector.look(model, RED, Question(), within(20))
        assert refused.value.retry_after == 1
        blocked.set()
        assert await first == (b"{}", b"application/json")
        assert await inspector.look(model, RED, Question(), within(20)) == (b"{}", b"application/json")

    asyncio.run(ask())


def test_a_deadline_is_kept_and_the_turn_is_held_until_the_thread_is_done(
    model: Model, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)

    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        with pytest.raises(DeadlineExceeded):
            await inspector.look(model, RED, Question(), within(0.2))
        with pytest.raises(Overloaded):
            await inspector.look(model, RED, Question(), within(20))
        with pytest.raises(DeadlineExceeded, match="another inspection"):
            await inspector.look(model, RED, Question(), within(0.05))
        blocked.set()
        await asyncio.sleep(0.1)
        await inspector.look(model, RED, Question(), within(20))

    asyncio.run(ask())


def test_nothing_is_run_for_a_client_that_went_away(model: Model) -> None:
    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        schedule = within(20)
        schedule.gone = lambda: True
        with pytest.raises(Disconnected):
            await inspector.look(model, RED, Question(), schedule)
        assert not inspector._views
        await inspector.look(model, RED, Question(), within(20))

    asyncio.run(ask())


def test_a_refusal_ends_the_turn(model: Model) -> None:
    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        for _ in range(2):
            with pytest.raises(InvalidInput, match="no layer 'nix'"):
                await inspector.look(model, RED, Question(layers=("nix",)), within(20))
        with pytest.raises(InvalidInput, match="not a picture"):
            await inspector.look(model, b"nothing", Question(), within(20))
        await inspector.look(model, RED, Question(), within(20))

    asyncio.run(ask())


def test_the_session_is_made_once_and_dropped_when_nobody_asks_for_a_while(model: Model) -> None:
    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000, idle_seconds=0.3)
        assert not inspector._views
        await inspector.look(model, RED, Question(), within(20))
        view = weakref.ref(inspector._views[model])
        await inspector.look(model, RED, Question(), within(20))
        assert inspector._views[model] is view()
        deadline = time.monotonic() + 20
        while inspector._views:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        gc.collect()
        assert view() is None
        await inspector.look(model, RED, Question(), within(20))
        assert inspector._views

    asyncio.run(ask())


def test_a_model_that_is_replaced_is_not_held(tmp_path: Path) -> None:
    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        model = load(write_colour(tmp_path / "colour" / "1"))
        await inspector.look(model, RED, Question(), within(20))
        gone = weakref.ref(model)
        del model
        await asyncio.sleep(0)
        eventually(lambda: gc.collect() >= 0 and gone() is None)
        assert not inspector._views

    asyncio.run(ask())


def test_files_that_are_other_ones_than_those_served_are_not_shown(model: Model) -> None:
    with (model.folder / "model.onnx").open("ab") as file:
        file.write(b"\0")

    async def ask() -> None:
        inspector = Inspector(max_pixels=10_000)
        with pytest.raises(Unavailable, match="load it again"):
            await inspector.look(model, RED, Question(), within(20))

    asyncio.run(ask())
