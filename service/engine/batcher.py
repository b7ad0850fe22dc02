"""Rows of many requests -> one batch -> each caller's scores.

Work-conserving: a batch is whatever is there when something can run it, so a lone caller never waits for company and
a crowd is batched by itself. Short batches run on the event loop, long ones in a lane.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from service.engine.cost import Cost
from service.engine.lanes import Lanes
from service.engine.schedule import FIRST, LAST, Schedule
from service.engine.session import Scores
from service.errors import DeadlineExceeded, Disconnected, InferenceFailed, Overloaded

Around = Callable[[], AbstractContextManager[None]]
# How much the time that one more run took counts in what is expected of the next.
NEWEST = 0.1
# Mean deviations that a run may take longer than expected and still be in time: an answer that is a little late was
# computed for nobody, while a client that is refused a little early asks somebody else, and the next in a full queue
# takes its place.
SPREADS = 4


@dataclass(slots=True)
class Answer:
    scores: Scores  # K
    queue_seconds: float
    infer_seconds: float
    batch_rows: int  # of the run


@dataclass(slots=True)
class Waiting:
    row: Any
    units: int
    since: float
    schedule: Schedule
    future: asyncio.Future[Answer]


@dataclass(frozen=True, slots=True)
class Inferred:
    start: float
    seconds: float
    answers: list[Scores | Exception]  # one a row


class Batcher:
    """Used from the event loop's thread only, except for `run`."""

    def __init__(
        self,
        run: Callable[[Sequence[Any]], Scores],
        *,
        cost: Cost,
        lanes: Lanes,
        queue_rows: int,
        observe: Callable[[int, float], None],
    ) -> None:
        """`run` takes rows and gives N x K scores; `observe` is told the rows and seconds of each batch."""
        self._run = run
        self._cost = cost
        self._lanes = lanes
        self._queue_rows = queue_rows
        self._observe = observe
        # By priority, the first to be answered first.
        self._queues: dict[int, deque[Waiting]] = {priority: deque() for priority in range(FIRST, LAST + 1)}
        self._scheduled = False
        self.admitted = 0
        # From one batch's end to the next while there is work, by row: all that a row needs, whatever else goes on.
        self._row_seconds = cost.seconds(cost.max_rows, 1) / cost.max_rows
        self._last_end: float | None = None  # None after a pause
        # What a run takes, over what it was measured to cost when nothing else went on, and by how much that varies.
        self._pace, self._spread = 1.0, 0.0

    def admit(self, rows: int, schedule: Schedule) -> None:
        """Promise room for rows, before the work of decoding them; `release` them after. Raises Overloaded at once
        where the rows before them would take until the deadline."""
        wait = self.queue_seconds
        late = bool(self.admitted) and wait + self._doubt + self._longest(1) > schedule.seconds_left
        if late or self.admitted + rows > self._queue_rows:
            again = max(1, math.ceil(wait))
            queue = f"{self.admitted} of {self._queue_rows} rows, {wait:.1f} s"
            reason = f"too long for the deadline ({queue})" if late else f"full ({queue})"
            raise Overloaded(f"the queue is {reason}: ask again in {again} s", retry_after=again)
        self.admitted += rows

    def release(self, rows: int) -> None:
        self.admitted -= rows
        if not self.admitted:
            self._last_end = None

    @property
    def queue_seconds(self) -> float:
        """Until what is admitted now is answered, as the last batches went."""
        return self.admitted * self._row_seconds

    @property
    def _doubt(self) -> float:
        """Seconds that the rows before may take longer than expected: what one takes varies by itself, so the variation
        of their sum grows with the root of their number. Who is let in up to the very last moment is late whenever
        anything is, and a queue that is a little shorter is never empty for that."""
        return self._row_seconds * SPREADS * self._spread / self._pace * math.sqrt(self.admitted)

    def _longest(self, units: int) -> float:
        """Seconds that a run of one row is to be given. A row that is alone need not be given more than it takes in
        peace: with nothing else to run, nothing else could tell that what slowed the last ones down is over."""
        seconds = self._cost.seconds(1, units)
        return seconds * (self._pace + SPREADS * self._spread) if self.admitted > 1 else seconds

    def row_seconds(self, units: int) -> float:
        """What a row takes that runs alone, as runs have been lately: of use to compare models whose batches differ."""
        return self._cost.seconds(1, units) * self._pace

    def aside(self, around: Around, *, lanes: Lanes, queue_rows: int) -> "Batcher":
        """One more of the same graph, in nobody's way; `around` is told the beginning and the end of each run."""

        def run(rows: Sequence[Any]) -> Scores:
            with around():
                return self._run(rows)

        return Batcher(run, cost=self._cost, lanes=lanes, queue_rows=queue_rows, observe=lambda rows, seconds: None)

    def submit(self, row: Any, schedule: Schedule, *, units: int) -> asyncio.Future[Answer]:
        """The future raises InferenceFailed when the graph fails on this very row, DeadlineExceeded when it could not
        be run in time, Disconnected when nobody waits for it."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(row, units, time.perf_counter(), schedule, loop.create_future())
        self._queues[schedule.priority].append(waiting)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._drain)
        return waiting.future

    def _drain(self) -> None:
        """Start what can be started. `_scheduled` stays set while a later call of this is certain."""
        loop = asyncio.get_running_loop()
        while (first := self._first(now := time.perf_counter())) is not None:
            if self._cost.inline(1, first.units):
                batch = self._take(first, now, inline=True)
                self._finish(batch, self._infer(batch))
                if any(self._queues.values()):
                    loop.call_soon(self._drain)  # let the loop breathe between batches
                    return
            elif self._lanes.take(self._drain):
                batch = self._take(first, now, inline=False)
                inferred = loop.run_in_executor(self._lanes.threads, self._infer, batch)
                inferred.add_done_callback(partial(self._finish_in_lane, batch))
            else:
                return
        self._scheduled = False

    def _first(self, now: float) -> Waiting | None:
        """Who is next. Whoever is gone or too late is in nobody's way."""
        for queue in self._queues.values():
            while queue:
                waiting = queue[0]
                if waiting.future.done():  # its caller does not wait any more
                    pass
                elif waiting.schedule.gone():
                    waiting.future.set_exception(Disconnected())
                elif now + self._longest(waiting.units) > waiting.schedule.deadline:
                    waiting.future.set_exception(DeadlineExceeded("the deadline passed before the model was free"))
                else:
                    return waiting
                queue.popleft()
        return None

    def _take(self, first: Waiting, now: float, *, inline: bool) -> list[Waiting]:
        """The rows of the next batch, in the order of their coming; `inline`: no more than may hold the loop. The first
        is in it even if its client has gone this very moment: a batch has a row."""
        self._queues[first.schedule.priority].popleft()
        batch = [first]
        longest = first.units
        while len(batch) < self._cost.max_rows and (waiting := self._first(now)) is not None:
            rows, units = len(batch), waiting.units
            if not self._cost.pays(rows, longest, units) or (
                inline and not self._cost.inline(rows + 1, max(longest, units))
            ):
                break
            self._queues[waiting.schedule.priority].popleft()
            batch.append(waiting)
            longest = max(longest, units)
        return batch

    def _infer(self, batch: list[Waiting]) -> Inferred:
        """One bad row does not spoil the others': after a failure each runs once more, alone."""
        start = time.perf_counter()
        answers: list[Scores | Exception]
        try:
            answers = list(self._finite(self._run([waiting.row for waiting in batch])))
        except Exception as error:
            answers = [error] if len(batch) == 1 else [self._infer([waiting]).answers[0] for waiting in batch]
        return Inferred(start, time.perf_counter() - start, answers)

    @staticmethod
    def _finite(scores: Scores) -> Scores:
        if not np.isfinite(scores).all():
            raise FloatingPointError("the graph gave scores that are not finite")
        return scores

    def _finish_in_lane(self, batch: list[Waiting], inferred: asyncio.Future[Inferred]) -> None:
        try:
            self._finish(batch, inferred.result())
        finally:
            self._lanes.give_back()

    def _finish(self, batch: list[Waiting], inferred: Inferred) -> None:
        self._observe(len(batch), inferred.seconds)
        now = time.perf_counter()
        if self._last_end is not None:
            self._row_seconds += NEWEST * ((now - self._last_end) / len(batch) - self._row_seconds)
        self._last_end = now if self.admitted else None  # all may have left during the run
        pace = inferred.seconds / self._cost.seconds(len(batch), max(waiting.units for waiting in batch))
        self._spread += NEWEST * (abs(pace - self._pace) - self._spread)
        self._pace += NEWEST * (pace - self._pace)
        for waiting, answer in zip(batch, inferred.answers, strict=True):
            if waiting.future.done():
                continue
            if isinstance(answer, Exception):
                failed = InferenceFailed("the model failed on this input")
                failed.__cause__ = answer
                waiting.future.set_exception(failed)
            else:
                waiting.future.set_result(Answer(answer, inferred.start - waiting.since, inferred.seconds, len(batch)))
