"""What Prometheus scrapes at /metrics: base units, plural, one prefix.

prometheus_client keeps its values in files of PROMETHEUS_MULTIPROC_DIR, which service.__main__ sets, so that any worker
process answers for all of them.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64)
OF_MODEL = ("model", "version")


class Metrics:
    """One a process, on a registry of its own, so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def histogram(name: str, text: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
            return Histogram(name, text, OF_MODEL, registry=self.registry, buckets=buckets)

        self.requests = Counter(
            "maxpool_requests", "Prediction requests answered", (*OF_MODEL, "code"), registry=self.registry
        )
        self.rejected = Counter("maxpool_rejected", "Prediction requests refused", ("reason",), registry=self.registry)
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

    def of_model(self, model: str, version: str) -> "ModelMetrics":
        return ModelMetrics(self, model, version)

    def text(self, environ: Mapping[str, str] = os.environ) -> bytes:
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
    """The children of one model, looked up once instead of at every request."""

    def __init__(self, metrics: Metrics, model: str, version: str) -> None:
        self._requests = metrics.requests
        self._names = (model, version)
        self._answered = metrics.requests.labels(model, version, "200")
        self.request_seconds = metrics.request_seconds.labels(model, version)
        self.decode_seconds = metrics.decode_seconds.labels(model, version)
        self.queue_seconds = metrics.queue_seconds.labels(model, version)
        self.infer_seconds = metrics.infer_seconds.labels(model, version)
        self._batch_rows = metrics.batch_rows.labels(model, version)
        self._batch_seconds = cache(lambda rows: metrics.batch_seconds.labels(model, version, str(rows)))
        self._failed_seconds = metrics.failed_seconds.labels(model, version)
        self._last_answer = metrics.last_answer.labels(model, version)
        self._queue_rows = metrics.queue_rows.labels(model, version)

    def watch_queue(self, rows: Callable[[], int]) -> None:
        self._rows = rows

    def observe(self, decode: float, queue: float, infer: float) -> None:
        self.decode_seconds.observe(decode)
        self.queue_seconds.observe(queue)
        self.infer_seconds.observe(infer)

    def observe_batch(self, rows: int, seconds: float) -> None:
        self._batch_rows.observe(rows)
        self._batch_seconds(rows).observe(seconds)

    def answered(self, status: int, seconds: float) -> None:
        if status == 200:
            self._answered.inc()
            self._last_answer.set(time.time())
        else:
            self._requests.labels(*self._names, str(status)).inc()
            self._failed_seconds.inc(seconds)
        self.request_seconds.observe(seconds)
        self._queue_rows.set(self._rows())


def forget_dead_processes(folder: Path) -> None:
    """A killed worker's gauges would count for ever: its files are named by its process id."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was first
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
