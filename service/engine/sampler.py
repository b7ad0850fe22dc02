"""Some of the rows that a model answers, counted for drift: so few that it costs nothing that shows, and at once, on
the event loop, so that nothing of a row is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from prometheus_client import Gauge

from service.drift import Yardstick
from service.engine.proof import Proven
from service.engine.rows import Row
from service.engine.session import Scores
from service.engine.trouble import Trouble
from service.engine.vocabulary import Vocabulary
from service.errors import MaxpoolError
from service.modelmetrics import ModelMetrics

RATE = 20  # rows a second at most: the dearest takes a tenth of a millisecond
TOGETHER = 4  # rows of one request at most
# Rows that the counts of a process stand for: from then on a new one takes the place of an equal share of all others.
WINDOW = 5000
WRITE_SECONDS = 1.0
Pair = tuple[Any, Scores]  # H x W x C uint8 or a str; K


class Scored(Protocol):
    scores: Scores  # K


class Sampler:
    """Of one model in one process. Used on the event loop only."""

    def __init__(self, yardstick: Yardstick, vocabulary: Vocabulary | None, metrics: ModelMetrics, name: str) -> None:
        self.yardstick = yardstick
        self.due = 0.0  # when a row is wanted next, of time.perf_counter
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._counts = np.zeros(len(yardstick.bins))
        self._rows = 0
        self._turn = 0
        self._gauges: list[Gauge] = []  # made when there is something to write: a process may never be asked
        self._to_be_written = False
        self._closed = False
        self._trouble = Trouble(f"counting rows of {name} for drift")

    @classmethod
    def of(cls, proven: Proven, metrics: ModelMetrics) -> "Sampler | None":
        """None without a reference to compare with."""
        spec = proven.spec
        if spec.reference is None:
            return None
        return cls(Yardstick(spec.reference, spec.labels), proven.vocabulary, metrics, f"{spec.name}/{spec.version}")

    def take(self, now: float, rows: Sequence[Row | MaxpoolError], answers: Sequence[Scored | MaxpoolError]) -> None:
        """Some of a request's rows, once it is answered; not always the first, as a request may have an order."""
        pairs = [
            (row.row, answer.scores)
            for row, answer in zip(rows, answers, strict=True)
            if not isinstance(row, MaxpoolError) and not isinstance(answer, MaxpoolError)
        ]
        step = -(-len(pairs) // TOGETHER)
        if not step:
            return
        self._turn += 1
        chosen = pairs[self._turn % step :: step]
        self.due = now + len(chosen) / RATE
        asyncio.get_running_loop().call_soon(self._count, chosen)

    def _count(self, pairs: list[Pair]) -> None:
        try:
            for row, scores in pairs:
                self._add(row, scores)
            self._trouble.over()
        except Exception as error:  # of no use to whoever is answered; by its kind alone, as its words may be the row's
            self._trouble.met(type(error).__name__)
        if not self._to_be_written and not self._closed:
            self._to_be_written = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write)

    def look(self, row: Any, scores: Scores) -> tuple[list[int], tuple[int, int]]:
        """The bins of a row, and its known and unknown words."""
        return self.yardstick.places(row, scores), self._vocabulary.count(row) if self._vocabulary else (0, 0)

    def _add(self, row: Any, scores: Scores) -> None:
        places, words = self.look(row, scores)
        if self._rows >= WINDOW:
            self._counts *= 1 - 1 / WINDOW
        self._rows += 1
        self._counts[places] += 1
        if self.yardstick.words is not None:
            self._counts[self.yardstick.words :] += words

    def _write(self) -> None:
        self._to_be_written = False
        if self._closed:
            return
        if not self._gauges:
            self._gauges = self._metrics.drift(self.yardstick)
        for gauge, count in zip(self._gauges, self._counts.tolist(), strict=True):
            gauge.set(count)

    def close(self) -> None:
        """Another version, or none, is served in its place."""
        self._closed = True
        for gauge in self._gauges:
            gauge.set(0)
