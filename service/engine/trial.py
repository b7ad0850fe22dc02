"""One process's part in a rollout: which requests the candidate answers, and what it makes of rows that were answered.

shadow: served version -> answer sent -> its rows -> *candidate* -> compared, thrown away
canary: *candidate* -> answer sent -> its rows -> served version -> compared, thrown away
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import numpy as np

from service.engine.batcher import Answer
from service.engine.lanes import Lanes
from service.engine.model import Model, Prediction, Predictions
from service.engine.rollout import Rollout
from service.engine.rows import Row
from service.engine.schedule import LAST, Schedule, within
from service.engine.session import Scores
from service.engine.tally import Count, Tally
from service.engine.trouble import Trouble
from service.errors import DeadlineExceeded, InferenceFailed, MaxpoolError, Overloaded, Unavailable, alone

T = TypeVar("T")
MOST_ROWS = 64  # that wait to be compared; those beyond are dropped
MOST_OF_ONE = 32  # rows of one request that are compared
# So that the answer is out before the rows that it tells of are run again: over gRPC it goes after its handler's end.
LATER_SECONDS = 0.02
GAP_SECONDS = 1.0  # that rows wait for the requests to leave a gap
RUN_SECONDS = 30.0  # in which they are to be run, however slow the version is


class Trial:
    """Used on the event loop only, but for the runs."""

    def __init__(
        self, rollout: Rollout, place: int, serve: Model, candidate: Model, *, lanes: Lanes, tally: Tally
    ) -> None:
        self.rollout = rollout
        self.place = place
        self.serve = serve
        self.candidate = candidate
        self._tally = tally
        self._canary = rollout.mode == "canary"
        self._first, self._second = (candidate, serve) if self._canary else (serve, candidate)
        around = nullcontext if self._canary else self._watched
        self._aside = self._second.batcher.aside(around, lanes=lanes, queue_rows=MOST_ROWS)
        self._labels = [index_of(label, self._second) for label in self._first.spec.labels]
        self._trouble = Trouble(f"{candidate.spec.name} version {rollout.candidate}, on trial,")
        self._comparing: set[asyncio.Task[None]] = set()
        self._on = True

    def is_of(self, place: int, serve: Model, candidate: Model) -> bool:
        return (self.place, self.serve, self.candidate) == (place, serve, candidate)

    def begin(self) -> None:
        self.serve.trial = self._first.trial = self

    def close(self) -> None:
        self._on = False
        self.serve.trial = self.candidate.trial = None
        for comparing in self._comparing:
            comparing.cancel()

    @property
    def _stopped(self) -> bool:
        """At once, and for all processes, when a candidate has brought one down: the others run its requests again."""
        return not self._on or self._tally.ended_a_worker(self.place)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Around what the candidate does, in any thread: should the process end in it, it was the candidate. Raises
        Unavailable where another process has ended so; this is looked at in it, so that from then on none begins."""
        self._tally.begin_run(self.place)
        try:
            if self._tally.ended_a_worker(self.place):
                raise Unavailable("the candidate has ended a worker process")
            yield
        finally:
            self._tally.end_run(self.place)

    def draw(self) -> bool:
        """Whether the candidate answers a request that names no version."""
        return self._canary and random.random() < self.rollout.share and not self._stopped  # nosec B311

    async def attempt(
        self, answer: Callable[[], Awaitable[T]], predictions: Callable[[T], Predictions | None]
    ) -> T | None:
        """The candidate's `answer`, for which it was drawn; None where it failed, and the served version is to give
        one. Raises what is not the candidate's fault."""
        failed = 1
        try:
            with self._watched():
                answered = await answer()
            told = predictions(answered)
            failed = sum(isinstance(each, InferenceFailed) for each in told.answers) if told else 0
            if not failed:
                self._count(Count.ANSWERED)
                return answered
        except InferenceFailed as error:
            alone(error)
        except Unavailable as error:
            alone(error)
            failed = 0
        except DeadlineExceeded:
            self._count(Count.FAILED)
            raise
        self._count(Count.FAILED, failed)
        self._count(Count.FALLBACKS)
        return None

    def offer(self, model: Model, predictions: Predictions) -> None:
        """What was answered by `model`."""
        rows = predictions.rows
        if model is not self._first or rows is None or self._stopped:
            return
        if not self._canary and random.random() >= self.rollout.share:  # nosec B311
            return
        pairs = [
            (row, answer.scores)
            for row, answer in zip(rows, predictions.answers, strict=True)
            if isinstance(row, Row) and isinstance(answer, Prediction)
        ][:MOST_OF_ONE]
        if not pairs:
            return
        schedule = within(RUN_SECONDS)
        schedule.priority = LAST
        try:
            self._aside.admit(len(pairs), schedule)
        except Overloaded as error:
            alone(error)
            return self._count(Count.DROPPED, len(pairs))
        comparing = asyncio.get_running_loop().create_task(self._compare(pairs, schedule))
        self._comparing.add(comparing)
        comparing.add_done_callback(self._comparing.discard)

    async def _compare(self, pairs: list[tuple[Row, Scores]], schedule: Schedule) -> None:
        left = len(pairs)
        try:
            await asyncio.sleep(LATER_SECONDS)
            while self.serve.batcher.admitted or self.candidate.batcher.admitted:  # requests go before
                if schedule.seconds_left < RUN_SECONDS - GAP_SECONDS:
                    return
                await asyncio.sleep(LATER_SECONDS)
            if self._stopped:
                return
            futures = [self._aside.submit(row.row, schedule, units=row.units) for row, _ in pairs]
            answers = await asyncio.gather(*futures, return_exceptions=True)
            for (row, scores), answer in zip(pairs, answers, strict=True):
                left -= self._note(row, scores, answer)
        finally:
            self._aside.release(len(pairs))
            self._count(Count.DROPPED, left)

    def _note(self, row: Row, scores: Scores, answer: Answer | BaseException) -> bool:
        """Whether that row has been dealt with, and was not too late."""
        if self._stopped or (isinstance(answer, MaxpoolError) and not isinstance(answer, InferenceFailed)):
            return False
        if isinstance(answer, BaseException):
            if not self._canary:  # else it is the served version's failure
                self._count(Count.FAILED)
            self._trouble.met(repr(answer.__cause__ or answer))
            alone(answer)
            return True
        top = int(scores.argmax())
        there = self._labels[top]
        self._count(Count.ROWS)
        self._count(Count.AGREED, int(answer.scores.argmax()) == there)
        self._count(Count.SHIFT, abs(float(scores[top]) - (float(answer.scores[there]) if there >= 0 else 0.0)))
        first, second = self._first.batcher.row_seconds(row.units), self._aside.row_seconds(row.units)
        serve, candidate = (self._second.batcher.row_seconds(row.units), first) if self._canary else (first, second)
        self._count(Count.SERVE_SECONDS, serve)
        self._count(Count.CANDIDATE_SECONDS, candidate)
        return True

    def _count(self, count: Count, by: float = 1) -> None:
        if self._on:  # its place may be another's by now
            self._tally.add(self.place, count, by)


def index_of(label: str, model: Model) -> int:
    """-1 for a label that the model has not."""
    labels = model.spec.labels
    return labels.index(label) if label in labels else -1


def obstacle(serve: Model, candidate: Model) -> str:
    """Why the two can not be compared, "" where they can: the rows of one are the other's."""
    if serve.spec.input != candidate.spec.input:
        return f"version {candidate.spec.version} reads its input otherwise than version {serve.spec.version}"
    return "" if np.intersect1d(serve.spec.labels, candidate.spec.labels).size else "the versions share no label"
