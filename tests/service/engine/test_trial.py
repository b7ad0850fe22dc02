"""A process's part in a rollout, with real models and no server."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine import trial as trials
from service.engine.model import Model, Predictions
from service.engine.registry import Registry
from service.engine.schedule import within
from service.engine.tally import Count
from service.engine.trial import MOST_OF_ONE, MOST_ROWS, Trial
from service.errors import DeadlineExceeded, Disconnected, InferenceFailed, InvalidInput, MaxpoolError, Overloaded
from service.metrics import Metrics
from tests.service.candidates import write_versions

ROW = np.full((8, 8, 3), 7, np.uint8)


class Bench:
    """A rollout under way, and what came of it."""

    def __init__(self, folder: Path, mode: str) -> None:
        write_versions(folder, "colour", mode=mode)
        self.registry = Registry(cpus=1, provider="cpu", queue_rows=200, max_pixels=1000, metrics=Metrics())
        self.registry.load(folder)
        found = self.registry.find("colour", None).trial
        assert found
        self.trial: Trial = found

    def count(self, count: Count) -> int:
        return int(self.registry.rollouts.tally.get(self.trial.place, count))

    async def answer(self, model: Model, rows: int) -> None:
        self.trial.offer(model, await model.predict([ROW] * rows, within(60)))

    async def over(self) -> None:
        await asyncio.gather(*self.trial._comparing, return_exceptions=True)


@pytest.fixture
def shadow(tmp_path: Path) -> Bench:
    return Bench(tmp_path, "shadow")


@pytest.fixture
def canary(tmp_path: Path) -> Bench:
    return Bench(tmp_path, "canary")


def run(work: Awaitable[Any]) -> Any:
    async def within_time() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(within_time())


def test_of_a_long_request_the_first_rows_are_compared_and_beyond_the_bound_rows_are_dropped(shadow: Bench) -> None:
    async def ask() -> None:
        for _ in range(4):
            await shadow.answer(shadow.trial.serve, 40)
        await shadow.over()

    run(ask())
    assert (shadow.count(Count.ROWS), shadow.count(Count.AGREED)) == (MOST_ROWS, MOST_ROWS)
    assert shadow.count(Count.DROPPED) == 4 * MOST_OF_ONE - MOST_ROWS


@pytest.mark.parametrize("busy", ["serve", "candidate"])
def test_requests_go_before(shadow: Bench, monkeypatch: pytest.MonkeyPatch, busy: str) -> None:
    monkeypatch.setattr(trials, "GAP_SECONDS", 0.1)

    async def ask() -> None:
        batcher = getattr(shadow.trial, busy).batcher
        answered = await shadow.trial.serve.predict([ROW], within(60))
        batcher.admit(1, within(60))  # a request that is under way
        shadow.trial.offer(shadow.trial.serve, answered)
        await shadow.over()
        batcher.release(1)

    run(ask())
    assert (shadow.count(Count.ROWS), shadow.count(Count.DROPPED)) == (0, 1)


def test_when_it_is_over_nothing_more_is_run_or_counted(shadow: Bench) -> None:
    serve, candidate, trial = shadow.trial.serve, shadow.trial.candidate, shadow.trial

    async def ask() -> None:
        await shadow.answer(serve, 3)
        comparing = set(trial._comparing)
        trial.close()
        await shadow.over()
        assert {each.cancelled() for each in comparing} == {True}
        await shadow.answer(serve, 3)
        assert not trial._comparing

    run(ask())
    assert (serve.trial, candidate.trial) == (None, None)
    assert not any(shadow.count(count) for count in Count)


def test_after_the_end_of_a_worker_nothing_is_given_to_the_candidate(canary: Bench) -> None:
    trial, tally = canary.trial, canary.registry.rollouts.tally
    assert trial.draw()

    async def never() -> None:
        raise AssertionError("it was asked")

    async def ask() -> None:
        await canary.answer(trial.candidate, 1)
        tally.add(trial.place, Count.UNDER_WAY)
        tally.bury(0)
        assert not trial.draw()
        assert await trial.attempt(never, lambda _: None) is None  # drawn before that was known
        await canary.answer(trial.candidate, 1)
        await canary.over()

    run(ask())
    assert (canary.count(Count.ROWS), canary.count(Count.FALLBACKS), canary.count(Count.FAILED)) == (0, 1, 0)
    assert canary.count(Count.UNDER_WAY) == 0


@pytest.mark.parametrize(
    ("error", "falls_back", "failed"),
    [
        (InferenceFailed("so"), True, 1),
        (Overloaded("so"), True, 0),
        (DeadlineExceeded("so"), False, 1),
        (InvalidInput("so"), False, 0),
        (Disconnected(), False, 0),
    ],
)
def test_what_is_the_candidate_s_fault_is_held_against_it_and_costs_no_answer_where_there_is_time(
    canary: Bench, error: Exception, falls_back: bool, failed: int
) -> None:
    async def fail() -> Predictions:
        raise error

    def attempt() -> Any:
        return run(canary.trial.attempt(fail, lambda each: each))

    if falls_back:
        assert attempt() is None
    else:
        with pytest.raises(type(error)):
            attempt()
    assert (canary.count(Count.FALLBACKS), canary.count(Count.FAILED)) == (int(falls_back), failed)
    assert canary.count(Count.UNDER_WAY) == 0


def test_an_answer_of_which_a_part_failed_is_no_answer(canary: Bench) -> None:
    def answered(*answers: MaxpoolError) -> Callable[[], Awaitable[Predictions]]:
        async def answer() -> Predictions:
            return Predictions(list(answers), 0.0, 0.0, 0.0, 1, 0.0, 0.0)

        return answer

    assert run(canary.trial.attempt(answered(InferenceFailed("so"), InvalidInput("so")), lambda each: each)) is None
    assert run(canary.trial.attempt(answered(InvalidInput("so")), lambda each: each)) is not None
    assert [canary.count(each) for each in (Count.FALLBACKS, Count.FAILED, Count.ANSWERED)] == [1, 1, 1]
