"""What is counted of one model, or of none. metrics.py has the metrics themselves."""

import asyncio
import time
from collections import Counter as Counts
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from service.metrics import Metrics

# What requests took is gathered and written down so often: one by one it costs as much as a small net's run.
WRITE_SECONDS = 0.05


class Counters(Protocol):
    """Of a model's requests of one kind, for whoever answers them."""

    cancelled: Any  # a Counter's child

    def received(self) -> None: ...

    def answered(self, status: int, seconds: float, stages: tuple[float, float, float] | None = None) -> None: ...


class NoModelMetrics:
    """Of requests whose model is not there, or was not read: no name from outside becomes a label."""

    def __init__(self, metrics: "Metrics") -> None:
        self._received = metrics.received.labels("", "")
        self._requests = cache(lambda status: metrics.requests.labels("", "", str(status)))
        self.cancelled = metrics.cancelled.labels("", "")

    def received(self) -> None:
        """Counted when it is answered, as only then it is known that there is no model."""

    def answered(self, status: int, seconds: float = 0.0, stages: tuple[float, float, float] | None = None) -> None:
        self._received.inc()
        self._requests(status).inc()


class InspectionMetrics:
    """Apart from the predictions, whose times they would blur."""

    def __init__(self, metrics: "Metrics", model: str, version: str) -> None:
        self.cancelled = metrics.cancelled_inspections.labels(model, version)
        self._answered = cache(lambda status: metrics.inspections.labels(model, version, str(status)))
        self._seconds = metrics.inspection_seconds.labels(model, version)

    def received(self) -> None:
        pass

    def answered(self, status: int, seconds: float, stages: tuple[float, float, float] | None = None) -> None:
        self._answered(status).inc()
        self._seconds.observe(seconds)


class ModelMetrics:
    """Of one model: its children, looked up once instead of at every request. Used on the event loop only."""

    def __init__(self, metrics: "Metrics", model: str, version: str) -> None:
        names = (model, version)
        self._received_in_all = metrics.received.labels(*names)
        self._requests = cache(lambda status: metrics.requests.labels(*names, str(status)))
        self._request_seconds = metrics.request_seconds.labels(*names)
        self._decode_seconds = metrics.decode_seconds.labels(*names)
        self._queue_seconds = metrics.queue_seconds.labels(*names)
        self._infer_seconds = metrics.infer_seconds.labels(*names)
        self._batch_rows = metrics.batch_rows.labels(*names)
        self._batch_seconds = cache(lambda rows: metrics.batch_seconds.labels(*names, str(rows)))
        self._failed_seconds = metrics.failed_seconds.labels(*names)
        self._last_answer = metrics.last_answer.labels(*names)
        self._queue_rows = metrics.queue_rows.labels(*names)
        self.cancelled = metrics.cancelled.labels(*names)
        self.drift = partial(metrics.drift.of_model, *names)
        self._rows_in_queue: Callable[[], int] = lambda: 0
        self._received = 0
        self._stages: list[tuple[float, float, float]] = []
        self._answered: list[tuple[int, float]] = []
        self._at = 0.0
        self._to_be_written = False

    def watch_queue(self, rows: Callable[[], int]) -> None:
        self._rows_in_queue = rows

    def observe_batch(self, rows: int, seconds: float) -> None:
        self._batch_rows.observe(rows)
        self._batch_seconds(rows).observe(seconds)

    def received(self) -> None:
        """Each request that is, is `answered` or `cancelled` later."""
        self._received += 1
        self.admitted()

    def admitted(self) -> None:
        """There are rows in the queue: from now on what happens is written down, until there are none."""
        if not self._to_be_written:
            self._to_be_written = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write_again)

    def answered(self, status: int, seconds: float, stages: tuple[float, float, float] | None = None) -> None:
        """`stages`: seconds of decode, queue and infer, of a request that was answered with predictions."""
        self._answered.append((status, seconds))
        if stages is not None:
            self._stages.append(stages)
        if status == 200:
            self._at = time.time()
        self.admitted()

    def _write_again(self) -> None:
        self._to_be_written = False
        if self.write():
            self.admitted()

    def write(self) -> int:
        """What was gathered since the last time; the rows in the queue."""
        if self._received:
            self._received_in_all.inc(self._received)
            self._received = 0
        if self._stages:
            decode, queue, infer = map(list, zip(*self._stages, strict=True))
            self._stages = []
            self._decode_seconds.observe_all(decode)
            self._queue_seconds.observe_all(queue)
            self._infer_seconds.observe_all(infer)
        if self._answered:
            for status, count in Counts(status for status, _ in self._answered).items():
                self._requests(status).inc(count)
            self._request_seconds.observe_all([seconds for _, seconds in self._answered])
            if failed := sum(seconds for status, seconds in self._answered if status != 200):
                self._failed_seconds.inc(failed)
            self._answered = []
            if self._at:
                self._last_answer.set(self._at)
        rows = self._rows_in_queue()
        self._queue_rows.set(rows)
        return rows
