"""One model to ask: inputs -> rows -> batcher -> scores; `rank` has the labels."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from service.engine.batcher import Answer, Batcher
from service.engine.cost import measure_cost
from service.engine.lanes import Lanes
from service.engine.proof import Golden, Proven
from service.engine.rows import Input, Row, decode, is_short, open_input, read_row, stack
from service.engine.sampler import Sampler
from service.engine.schedule import Schedule
from service.engine.session import Scores, Session
from service.errors import DeadlineExceeded, InferenceFailed, InvalidInput, MaxpoolError, alone
from service.images import Picture
from service.modelmetrics import ModelMetrics

if TYPE_CHECKING:
    from service.engine.trial import Trial

log = logging.getLogger("maxpool")
# Inputs read in one go on the event loop: at about 40 microseconds each, no more than a millisecond.
FEW = 16


@dataclass(slots=True)
class Prediction:
    scores: Scores  # K
    description: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model's batches are run, from what they were measured to cost when it was loaded."""

    max_batch: int  # rows; the largest batch that still makes a row cheaper
    row_milliseconds: float  # one row alone, of the size of the first golden input
    batch_milliseconds: float  # the largest batch of such rows
    runs: str  # one row: on the event loop, or in one of the lanes

    def __str__(self) -> str:
        return (
            f"{self.row_milliseconds:g} ms a row, {self.batch_milliseconds:g} ms for the largest batch of "
            f"{self.max_batch}, on the {self.runs}"
        )


@dataclass(slots=True)
class Predictions:
    """An answer or the reason for none, for each input in order; seconds spent, the longest of any row, and the rows
    that shared a run, the most with any row."""

    answers: list[Prediction | MaxpoolError]
    decode_seconds: float
    queue_seconds: float
    infer_seconds: float
    batch_rows: int
    began: float  # when decoding did, of time.perf_counter
    last_run: float  # seconds of the run that was waited for longest
    rows: list[Row | MaxpoolError] | None = None  # as they were run, where a trial wants them

    @property
    def stages(self) -> tuple[float, float, float]:
        return self.decode_seconds, self.queue_seconds, self.infer_seconds


class Model:
    def __init__(
        self,
        proven: Proven,
        *,
        lanes: Lanes,
        readers: Executor,
        queue_rows: int,
        max_pixels: int,
        metrics: ModelMetrics,
    ) -> None:
        self.spec = proven.spec
        self.provider = proven.session.provider
        self.golden: tuple[Golden, ...] = proven.golden
        self.folder = proven.folder
        self.hashed = proven.hashed
        self.metrics = metrics
        self.trial: Trial | None = None  # that a rollout makes of this version; None nearly always
        self._readers = readers
        self._max_pixels = max_pixels
        first = read_row(proven.golden[0].input, proven.spec.input)
        # Not a method: with one the model and its batcher would hold each other, and the session with them.
        run = partial(run_rows, proven.session)
        cost = measure_cost(lambda rows: run([first.row] * rows), units=first.units)
        proven.session.shrink(stack([first.row]))
        self.plan = Plan(
            max_batch=cost.max_rows,
            row_milliseconds=round(1000 * cost.seconds(1, first.units), 3),
            batch_milliseconds=round(1000 * cost.seconds(cost.max_rows, first.units), 3),
            runs="loop" if cost.inline(1, first.units) else "lanes",
        )
        batcher = Batcher(run, cost=cost, lanes=lanes, queue_rows=queue_rows, observe=metrics.observe_batch)
        self.batcher = batcher
        metrics.watch_queue(lambda: batcher.admitted)
        self.sampler = Sampler.of(proven, metrics)

    def close(self) -> None:
        """It answers whoever has it already. Its session is gone with the last of them, for nobody else has it."""
        self.metrics.watch_queue(lambda: 0)
        if self.sampler:
            self.sampler.close()

    def status(self) -> dict[str, Any]:
        return {
            "name": self.spec.name,
            "version": self.spec.version,
            "task": self.spec.task,
            "status": "ready",
            "ready": True,
            "provider": self.provider,
            "plan": asdict(self.plan),
        }

    @property
    def queue_seconds(self) -> float:
        return self.batcher.queue_seconds

    async def predict(self, inputs: Sequence[Input | MaxpoolError], schedule: Schedule) -> Predictions:
        """An input that is an error already is answered by it, and what is wrong with another is in its place among the
        answers. Raises Overloaded, DeadlineExceeded, Disconnected."""
        if not schedule.asked:
            return await self._predict(inputs, schedule)
        try:
            async with asyncio.timeout(schedule.seconds_left):
                return await self._predict(inputs, schedule)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before the model had answered") from None

    async def _predict(self, inputs: Sequence[Input | MaxpoolError], schedule: Schedule) -> Predictions:
        self.batcher.admit(len(inputs), schedule)
        self.metrics.admitted()
        waiting: list[asyncio.Future[Answer]] = []
        try:
            start = time.perf_counter()
            on_the_loop = len(inputs) <= FEW or isinstance(inputs[0], np.ndarray)
            rows = self._read_here(inputs) if on_the_loop else None
            if rows is None:
                rows = await self._read_in_threads(inputs)
            decode_seconds = time.perf_counter() - start
            submit = self.batcher.submit
            waiting = [submit(row.row, schedule, units=row.units) for row in rows if not isinstance(row, MaxpoolError)]
            futures = iter(waiting)
            answers: list[Prediction | MaxpoolError] = []
            queue_seconds = infer_seconds = last_run = 0.0
            batch_rows = 0
            for row in rows:
                if isinstance(row, MaxpoolError):
                    answers.append(row)
                    continue
                try:
                    answer = await next(futures)
                except InferenceFailed as error:
                    log.error(
                        "%s failed on a valid input",
                        self.spec.name,
                        exc_info=error.__cause__,
                        extra={"request_id": schedule.request_id},
                    )
                    if error.__cause__:
                        alone(error.__cause__)
                    answers.append(alone(error))
                    continue
                if answer.queue_seconds >= queue_seconds:
                    queue_seconds, last_run = answer.queue_seconds, answer.infer_seconds
                infer_seconds = max(infer_seconds, answer.infer_seconds)
                batch_rows = max(batch_rows, answer.batch_rows)
                answers.append(Prediction(answer.scores, row.description))
            kept = None if self.trial is None else rows
            if (sampler := self.sampler) and start >= sampler.due:
                sampler.take(start, rows, answers)
            return Predictions(answers, decode_seconds, queue_seconds, infer_seconds, batch_rows, start, last_run, kept)
        except BaseException:
            for future in waiting:  # one row is late or nobody waits: the others need not be run
                if not future.cancel() and not future.cancelled():
                    future.exception()  # seen, so that asyncio does not warn of it
            raise
        finally:
            self.batcher.release(len(inputs))

    def _read_here(self, inputs: Sequence[Input | MaxpoolError]) -> list[Row | MaxpoolError] | None:
        """Tiny pictures, on the loop: two threads decode them slower than one. None where a thread should read."""
        rows: list[Row | MaxpoolError] = []
        for given in inputs:
            if not is_short(given):
                return None
            opened = self._open(given)
            if isinstance(opened, Picture):
                if not opened.is_small:
                    return None
                opened = self._decode(opened)
            rows.append(opened)
        return rows

    async def _read_in_threads(self, inputs: Sequence[Input | MaxpoolError]) -> list[Row | MaxpoolError]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._readers, self._read, each) for each in inputs))

    def _read(self, given: Input | MaxpoolError) -> Row | MaxpoolError:
        opened = self._open(given)
        return self._decode(opened) if isinstance(opened, Picture) else opened

    def _open(self, given: Input | MaxpoolError) -> Picture | Row | MaxpoolError:
        if isinstance(given, MaxpoolError):
            return given
        try:
            return open_input(given, self.spec.input, max_pixels=self._max_pixels)
        except InvalidInput as error:
            return alone(error)

    def _decode(self, picture: Picture) -> Row | MaxpoolError:
        try:
            return decode(picture, self.spec.input)
        except InvalidInput as error:
            return alone(error)

    def rank(self, scores: Scores, top_k: int) -> list[tuple[str, int, float]]:
        """The best labels with index and score, the best first, ties by lower index."""
        labels = self.spec.labels
        best = (-scores).argsort(kind="stable")[:top_k]
        return [
            (labels[index], index, score) for index, score in zip(best.tolist(), scores[best].tolist(), strict=True)
        ]


def run_rows(session: Session, rows: Sequence[Any]) -> Scores:
    return session.run(stack(list(rows)))
