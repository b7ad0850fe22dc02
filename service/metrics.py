"""What Prometheus scrapes at /metrics: base units, plural, one prefix.

prometheus_client keeps its values in files of PROMETHEUS_MULTIPROC_DIR, which service.__main__ sets, so that any worker
process answers for all of them.
"""

import asyncio
import os
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64)
OF_MODEL = ("model", "version")
# What requests took is gathered and written down so often: one by one it costs as much as a small net's run.
WRITE_SECONDS = 0.05


class Observations(Histogram):
    """A histogram that takes many values at once."""

    def observe_all(self, values: list[float]) -> None:
        """What `observe` does for each, in one step for each bucket that any of them is in."""
        if values:
            buckets = np.bincount(np.searchsorted(self._upper_bounds, values)).tolist()
            for bucket, count in zip(self._buckets, buckets, strict=False):
                if count:
                    bucket.inc(count)
            self._sum.inc(sum(values))


class Metrics:
    """One a process, on a registry of its own, so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def histogram(name: str, text: str, buckets: tuple[float, ...] = SECONDS) -> Observations:
            return Observations(name, text, OF_MODEL, registry=self.registry, buckets=buckets)

        self.requests = Counter(
            "maxpool_requests", "Prediction requests answered", (*OF_MODEL, "code"), registry=self.registry
        )
        self.rejected = Counter("maxpool_rejected", "Prediction requests refused", ("reason",), registry=self.registry)
        self.cancelled = Counter(
            "maxpool_cancelled",
            "Prediction requests whose client went away before the answer",
            OF_MODEL,
            registry=self.registry,
        )
        self.request_seconds = histogram("maxpool_request_duration_seconds", "From the whole body to the answer")
        self.decode_seconds = histogram("maxpool_decode_duration_seconds", "Reading a request's inputs into rows")
        self.queue_seconds = histogram("maxpool_queue_duration_seconds", "A request's longest wait for its batch")
        self.infer_seconds = histogram("maxpool_infer_duration_seconds", "A request's longest run of the graph")
        self.batch_rows = histogram("maxpool_batch_rows", "Rows that shared a run of the graph", ROWS)
        self.batch_seconds = Summary(
            "maxpool_batch_duration_seconds",
            "Runs of the graph, by the rows that shared them",
            (*OF_MODEL, "rows"),
            registry=self.registry,
        )
        self.failed_seconds = Counter(
            "maxpool_failed_duration_seconds",
            "Of maxpool_request_duration_seconds, what requests took that got an error",
            OF_MODEL,
            registry=self.registry,
        )
        self.last_answer = Gauge(
            "maxpool_last_answer_timestamp_seconds",
            "When a prediction request was answered last, in seconds since 1970",
            OF_MODEL,
            registry=self.registry,
            multiprocess_mode="max",
        )
        self.queue_rows = Gauge(
            "maxpool_queue_rows",
            "Rows accepted and not answered yet",
            OF_MODEL,
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.ready = Gauge(
            "maxpool_model_ready",
            "1 when the model is loaded and proven",
            (*OF_MODEL, "provider"),
            registry=self.registry,
            multiprocess_mode="livemin",
        )

        self._of_models: dict[tuple[str, str], ModelMetrics] = {}

    def of_model(self, model: str, version: str) -> "ModelMetrics":
        of_model = ModelMetrics(self, model, version)
        self._of_models[model, version] = of_model
        return of_model

    async def settle(self, environ: Mapping[str, str] = os.environ) -> None:
        """Until all that was answered by now is written down, by whatever process."""
        for of_model in self._of_models.values():
            of_model.write()
        if MULTIPROCESS in environ:
            await asyncio.sleep(2 * WRITE_SECONDS)

    def text(self, environ: Mapping[str, str] = os.environ) -> bytes:
        """What is written down by now. Reads a file a process, as `collect` does: not for the event loop."""
        return generate_latest(self._of_all_processes(environ))

    def collect(self, environ: Mapping[str, str] = os.environ) -> Iterator[Metric]:
        """Every metric with its samples, over all worker processes."""
        yield from self._of_all_processes(environ).collect()

    def _of_all_processes(self, environ: Mapping[str, str]) -> CollectorRegistry:
        folder = environ.get(MULTIPROCESS)
        if folder is None:
            return self.registry
        forget_dead_processes(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, path=folder)  # type: ignore[no-untyped-call]
        return together


class ModelMetrics:
    """Of one model: its children, looked up once instead of at every request. Used on the event loop only."""

    def __init__(self, metrics: Metrics, model: str, version: str) -> None:
        names = (model, version)
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
        self._rows_in_queue: Callable[[], int] = lambda: 0
        self._stages: list[tuple[float, float, float]] = []
        self._answered: list[tuple[int, float]] = []
        self._at = 0.0
        self._to_be_written = False

    def watch_queue(self, rows: Callable[[], int]) -> None:
        self._rows_in_queue = rows

    def observe_batch(self, rows: int, seconds: float) -> None:
        self._batch_rows.observe(rows)
        self._batch_seconds(rows).observe(seconds)

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


def forget_dead_processes(folder: Path) -> None:
    """A killed worker's gauges would count for ever: its files are named by its process id."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was first
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
