"""One model to ask: inputs -> rows -> batcher -> scores; `rank` has the labels."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.engine.batcher import Batcher
from service.engine.cost import measure_cost
from service.engine.lanes import Lanes
from service.engine.proof import Golden, Proven
from service.engine.rows import Input, Row, decode, is_short, open_input, read_row, stack
from service.engine.session import Scores
from service.errors import InferenceFailed, InvalidInput, MaxpoolError
from service.images import Picture
from service.metrics import ModelMetrics

log = logging.getLogger("maxpool")
# Inputs read in one go on the event loop: at about 40 microseconds each, no more than a millisecond.
FEW = 16


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Predictions:
    """An answer or the reason for none, for each input in order; seconds spent, the longest of any row."""

    answers: list[Prediction | MaxpoolError]
    decode_seconds: float
    queue_seconds: float
    infer_seconds: float


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
        self.metrics = metrics
        self._session = proven.session
        self._readers = readers
        self._max_pixels = max_pixels
        first = read_row(proven.golden[0].input, proven.spec.input)
        cost = measure_cost(lambda rows: self._run([first.row] * rows), units=first.units)
        self.plan = Plan(
            max_batch=cost.max_rows,
            row_milliseconds=round(1000 * cost.seconds(1, first.units), 3),
            batch_milliseconds=round(1000 * cost.seconds(cost.max_rows, first.units), 3),
            runs="loop" if cost.inline(1, first.units) else "lanes",
        )
        self._batcher = Batcher(self._run, cost=cost, lanes=lanes, queue_rows=queue_rows, observe=metrics.observe_batch)
        metrics.watch_queue(lambda: self._batcher.admitted)

    def _run(self, rows: Sequence[Any]) -> Scores:
        return self._session.run(stack(list(rows)))

    async def predict(self, inputs: Sequence[Input]) -> Predictions:
        """Raises Overloaded; what is wrong with one input is in that input's place among the answers."""
        self._batcher.admit(len(inputs))
        try:
            start = time.perf_counter()
            rows = await self._read(inputs)
            decode_seconds = time.perf_counter() - start
            pending = [
                row if isinstance(row, MaxpoolError) else (row, self._batcher.submit(row.row, units=row.units))
                for row in rows
            ]
            answers: list[Prediction | MaxpoolError] = []
            queue_seconds = infer_seconds = 0.0
            for refused_or_waiting in pending:
                if isinstance(refused_or_waiting, MaxpoolError):
                    answers.append(refused_or_waiting)
                    continue
                row, future = refused_or_waiting
                try:
                    answer = await future
                except InferenceFailed as error:
                    log.error("%s failed on a valid input", self.spec.name, exc_info=error.__cause__)
                    answers.append(error)
                    continue
                queue_seconds = max(queue_seconds, answer.queue_seconds)
                infer_seconds = max(infer_seconds, answer.infer_seconds)
                answers.append(Prediction(answer.scores, row.description))
            self.metrics.observe(decode_seconds, queue_seconds, infer_seconds)
            return Predictions(answers, decode_seconds, queue_seconds, infer_seconds)
        finally:
            self._batcher.release(len(inputs))

    async def _read(self, inputs: Sequence[Input]) -> list[Row | MaxpoolError]:
        """Tiny pictures here on the loop: two threads decode them slower than one. Large ones in threads."""
        if all(isinstance(given, np.ndarray) for given in inputs):
            return [self._read_one(given) for given in inputs]
        loop = asyncio.get_running_loop()
        if len(inputs) > FEW or not all(map(is_short, inputs)):
            return await asyncio.gather(*(loop.run_in_executor(self._readers, self._read_one, each) for each in inputs))
        opened = [self._open(given) for given in inputs]
        if all(each.is_small for each in opened if isinstance(each, Picture)):
            return [self._decode(each) for each in opened]
        return await asyncio.gather(*(loop.run_in_executor(self._readers, self._decode, each) for each in opened))

    def _read_one(self, given: Input) -> Row | MaxpoolError:
        return self._decode(self._open(given))

    def _open(self, given: Input) -> Picture | Row | MaxpoolError:
        try:
            return open_input(given, self.spec.input, max_pixels=self._max_pixels)
        except InvalidInput as error:
            return error

    def _decode(self, opened: Picture | Row | MaxpoolError) -> Row | MaxpoolError:
        if not isinstance(opened, Picture):
            return opened
        try:
            return decode(opened, self.spec.input)
        except InvalidInput as error:
            return error

    def rank(self, scores: Scores, top_k: int) -> list[tuple[str, int, float]]:
        """The best labels with index and score, the best first, ties by lower index."""
        best = np.argsort(-scores, kind="stable")[:top_k].tolist()
        return [(self.spec.labels[index], index, float(scores[index])) for index in best]
