"""What Prometheus scrapes at /metrics: base units, plural, one prefix.

prometheus_client keeps its values in files of PROMETHEUS_MULTIPROC_DIR, which service.__main__ sets, so that any worker
process answers for all of them.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.drift import Finding
from service.driftmetrics import DriftMetrics, WithDrift
from service.modelmetrics import WRITE_SECONDS, InspectionMetrics, ModelMetrics, NoModelMetrics
from service.observations import Observations
from service.processmetrics import ProcessMetrics
from service.rolloutmetrics import RolloutMetrics

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64)
OF_MODEL = ("model", "version")


class Metrics:
    """One a process, on a registry of its own, so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def histogram(name: str, text: str, buckets: tuple[float, ...] = SECONDS) -> Observations:
            return Observations(name, text, OF_MODEL, registry=self.registry, buckets=buckets)

        self.received = Counter(
            "maxpool_received", "Prediction requests whose head was read", OF_MODEL, registry=self.registry
        )
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
        self.worker_ends = Counter(
            "maxpool_worker_ends", "Worker processes that ended though nobody stopped them", registry=self.registry
        )
        self.reruns = Counter(
            "maxpool_reruns", "Requests run again because their worker had ended", registry=self.registry
        )
        self.refused_connections = Counter(
            "maxpool_refused_connections",
            "Connections that were answered and closed, with no prediction request on them that could be read",
            ("code",),
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
        self.inspections = Counter(
            "maxpool_inspections", "Inspections answered", (*OF_MODEL, "code"), registry=self.registry
        )
        self.cancelled_inspections = Counter(
            "maxpool_cancelled_inspections",
            "Inspections whose client went away before the answer",
            OF_MODEL,
            registry=self.registry,
        )
        self.inspection_seconds = histogram("maxpool_inspection_duration_seconds", "From the whole body to the answer")
        self.load_failures = Counter(
            "maxpool_model_load_failures", "Loads of a version that was refused", ("model",), registry=self.registry
        )
        self.log_lines_dropped = Counter(
            "maxpool_log_lines_dropped",
            "Lines of the request log that nobody read fast enough",
            registry=self.registry,
        )
        self.spans_dropped = Counter(
            "maxpool_spans_dropped", "Spans that no collector took fast enough", registry=self.registry
        )
        self.ready = Gauge(
            "maxpool_model_ready",
            "1 when the model is loaded and proven",
            (*OF_MODEL, "provider"),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.all_ready = Gauge(
            "maxpool_ready",
            "1 when /readyz says so, but for a drain",
            registry=self.registry,
            multiprocess_mode="livemin",
        )

        self.rollouts = RolloutMetrics()
        self.registry.register(self.rollouts)
        self.drift = DriftMetrics(self.registry)
        self.of_none = NoModelMetrics(self)
        self._of_models: dict[tuple[str, str], ModelMetrics] = {}
        self._of_inspections: dict[tuple[str, str], InspectionMetrics] = {}

    def of_model(self, model: str, version: str) -> ModelMetrics:
        of_model = ModelMetrics(self, model, version)
        self._of_models[model, version] = of_model
        return of_model

    def of_inspections(self, model: str, version: str) -> InspectionMetrics:
        found = self._of_inspections.get((model, version))
        if found is None:
            found = self._of_inspections[model, version] = InspectionMetrics(self, model, version)
        return found

    async def settle(self, environ: Mapping[str, str] = os.environ) -> None:
        """Until all that was answered by now is written down, by whatever process."""
        for of_model in list(self._of_models.values()):  # a thread that loads a model adds its own
            of_model.write()
        if MULTIPROCESS in environ:
            await asyncio.sleep(2 * WRITE_SECONDS)

    def text(self, environ: Mapping[str, str] = os.environ) -> bytes:
        """What is written down by now. Reads a file a process, as `collect` does: not for the event loop."""
        text = generate_latest(WithDrift(self._of_all_processes(environ), self.drift))
        folder = environ.get(MULTIPROCESS)
        pids = {os.getpid()} if folder is None else processes(Path(folder))
        return text + generate_latest(ProcessMetrics(pids))

    def drift_findings(self, environ: Mapping[str, str] = os.environ) -> dict[tuple[str, str], Finding]:
        """By name and version. Reads a file a process, as `collect` does: not for the event loop."""
        return self.drift.findings(self.collect(environ))

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
        together.register(self.rollouts)
        return together


def processes(folder: Path) -> set[int]:
    """Ids of those that write there."""
    return {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}


def forget_dead_processes(folder: Path) -> None:
    """A killed worker's gauges would count for ever: its files are named by its process id."""
    for pid in processes(folder):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was first
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
