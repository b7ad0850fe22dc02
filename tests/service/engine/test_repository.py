"""Several processes' parts, side by side in this one: each with its own registry, all with one board."""

import asyncio
import gc
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from service.engine import repository as of_repository
from service.engine.board import Board
from service.engine.follower import Follower
from service.engine.registry import Registry
from service.engine.repository import Repository
from service.engine.state import State, Version
from service.errors import InvalidInput, MaxpoolError, Unavailable, UnknownModel
from service.metrics import Metrics
from tests.conftest import eventually, write_colour, write_length


class Process:
    def __init__(self, board: Board, slot: int, folder: Path) -> None:
        self.registry = Registry(cpus=1, provider="cpu", queue_rows=8, max_pixels=1000, metrics=Metrics())
        self.follower = Follower(self.registry, board, folder)
        self.repository = Repository(self.registry, board, self.follower, folder)
        if slot:
            self.registry.load(folder)
            board.take(slot)
        else:
            self.follower.begin()
        self.follower.become(slot)

    def labels(self, version: str | None = None) -> tuple[str, ...]:
        return self.registry.find("colour", version).spec.labels


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_colour(tmp_path / "models" / "colour" / "1")
    write_length(tmp_path / "models" / "length" / "1")
    return tmp_path / "models"


def put(models: Path, version: str, labels: tuple[str, ...]) -> None:
    """colour with other words for the same answers."""
    folder = write_colour(models.parent / "colour" / version)
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**spec, "labels": labels}))
    shutil.rmtree(models / "colour" / version, ignore_errors=True)
    folder.rename(models / "colour" / version)


def together(*processes: Process, then: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        following = [asyncio.create_task(process.repository.follow()) for process in processes]
        try:
            await then()
        finally:
            for task in following:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(run())


NEW = ("rot", "grün", "blau")


def test_when_a_load_returns_every_process_serves_the_new_version(models: Path) -> None:
    board = Board(2)
    leader, other = Process(board, 0, models), Process(board, 1, models)
    put(models, "2", NEW)
    together(leader, other, then=lambda: leader.repository.load("colour"))
    assert leader.labels() == other.labels() == NEW
    assert leader.registry.state == other.registry.state


def test_what_one_process_can_not_load_is_served_by_none(models: Path, tmp_path: Path) -> None:
    board = Board(2)
    elsewhere = tmp_path / "elsewhere"
    leader = Process(board, 0, models)
    other = Process(board, 1, models)
    other.follower = Follower(other.registry, board, elsewhere)  # which has none of the files
    other.follower.become(1)
    other.repository = Repository(other.registry, board, other.follower, elsewhere)
    old = leader.labels()
    put(models, "2", NEW)

    async def load() -> None:
        with pytest.raises(InvalidInput, match="version 2 is not served"):
            await leader.repository.load("colour")

    together(leader, other, then=load)
    assert leader.labels() == other.labels() == old
    assert [each.version for each in other.registry.refused] == ["2"]


def test_without_a_process_that_does_not_answer_nothing_changes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_repository, "PATIENCE", 0.3)
    board = Board(2)
    leader, stuck = Process(board, 0, models), Process(board, 1, models)
    old = leader.labels()
    put(models, "2", NEW)

    async def load() -> None:
        with pytest.raises(Unavailable, match="did not agree"):
            await leader.repository.load("colour")

    together(leader, then=load)
    assert leader.labels() == stuck.labels() == old
    together(leader, stuck, then=lambda: leader.repository.load("colour"))
    assert leader.labels() == stuck.labels() == NEW


def test_a_process_that_is_gone_is_not_waited_for(models: Path) -> None:
    board = Board(2)
    leader = Process(board, 0, models)
    Process(board, 1, models)
    board.give_back(1)
    put(models, "2", NEW)
    together(leader, then=lambda: leader.repository.load("colour"))
    assert leader.labels() == NEW


def test_an_unloaded_model_stays_so_under_the_eyes_of_the_watch_and_comes_back_when_loaded(models: Path) -> None:
    process = Process(Board(1), 0, models)

    async def unload() -> None:
        await process.repository.unload("colour")
        with pytest.raises(UnknownModel, match="was unloaded"):
            process.registry.find("colour", None)
        put(models, "2", NEW)
        watching = asyncio.create_task(process.repository.watch(0))
        await asyncio.to_thread(eventually, lambda: ("colour", "2") in process.registry.state.versions)
        watching.cancel()
        with pytest.raises(UnknownModel, match="was unloaded"):
            process.registry.find("colour", "2")
        assert process.registry.ready
        assert [each["status"] for each in process.registry.statuses()] == ["ready", "unloaded", "unloaded"]
        await process.repository.unload("colour")
        await process.repository.load("colour")

    together(process, then=unload)
    assert process.labels() == NEW
    assert process.labels("1") == ("red", "green", "blue")


def test_a_refused_version_is_given_another_try_by_a_load_alone(models: Path, tmp_path: Path) -> None:
    process = Process(Board(1), 0, models)
    (models / "length" / "2").mkdir()

    async def load() -> None:
        for _ in range(2):
            with pytest.raises(InvalidInput, match=r"version 2 is not served.*model\.json"):
                await process.repository.load("length")
        with pytest.raises(UnknownModel, match="nothing"):
            await process.repository.load("nothing")
        with pytest.raises(UnknownModel, match="nothing"):
            await process.repository.unload("nothing")

    together(process, then=load)
    assert process.registry.find("length", None).spec.version == "1"


def test_a_model_is_gone_with_the_last_request_that_has_it(models: Path) -> None:
    """By the count of references alone: what is loaded at the start is frozen, and no collector would look at it."""
    process = Process(Board(1), 0, models)
    gc.disable()
    try:
        under_way = process.registry.find("colour", None)
        together(process, then=lambda: process.repository.unload("colour"))
        assert not process.registry.released
        del under_way
        assert process.registry.released
    finally:
        gc.enable()


def test_a_board_keeps_what_was_agreed_upon_whatever_is_proposed_after() -> None:
    board = Board(1)
    states = [State({("a", "1"): Version(str(n), "ünï" * n)}, frozenset({"b"})) for n in range(5)]
    agreed = board.propose(states[0])
    board.commit(agreed)
    for state in states[1:]:
        assert board.state(board.propose(state)) == state
        assert board.state(agreed) == states[0]
    board.commit(board.proposed)
    assert board.state(board.committed) == states[4]
    assert board.state(board.propose(states[1])) == states[1]
    assert board.state(board.committed) == states[4]
    with pytest.raises(MaxpoolError, match="bytes"):
        board.propose(State({("a", "1"): Version("", "x" * 5_000_000)}))


def test_only_one_has_the_lock() -> None:
    board = Board(1)
    assert board.lock()
    assert not board.lock()
    board.unlock()
    assert board.lock()
