"""What a rollout has come to, for Prometheus and for whoever judges it: sums over all worker processes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LABELS = ("model", "version")  # the candidate
COUNTERS = {
    "rows": "Rows that both versions of a rollout have run",
    "agreed": "Of maxpool_rollout_rows_total, those with the same label on top",
    "shift": "Sum of the differences of the score of the served version's top label, over maxpool_rollout_rows_total",
    "failed": "Rows that the candidate failed on",
    "dropped": "Rows that were to be compared and were not, as too much was under way",
    "answered": "Requests that named no version and were answered by the candidate",
    "fallbacks": "Requests that the candidate was to answer and the served version did",
    "worker_ends": "Worker processes that ended while the candidate ran",
}
NAMES = {"agreed": "agreed_rows", "shift": "score_shift", "failed": "failed_rows", "dropped": "dropped_rows"}


@dataclass(frozen=True, slots=True)
class Figures:
    model: str
    version: str  # the candidate
    state: str
    rows: int
    agreed: int
    shift: float
    serve_seconds: float
    candidate_seconds: float
    failed: int
    dropped: int
    answered: int
    fallbacks: int
    worker_ends: int

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.rows if self.rows else None

    @property
    def score_shift(self) -> float | None:
        """The mean."""
        return self.shift / self.rows if self.rows else None

    @property
    def latency_ratio(self) -> float | None:
        return self.candidate_seconds / self.serve_seconds if self.serve_seconds else None

    @property
    def failures(self) -> float | None:
        return self.failed / (self.rows + self.failed) if self.rows + self.failed else None


class RolloutMetrics(Collector):
    """The counters of a rollout start again with each change of its file."""

    def __init__(self) -> None:
        self.tell: Callable[[], Iterable[Figures]] = tuple

    def collect(self) -> Iterator[Metric]:
        told = list(self.tell())
        for field, text in COUNTERS.items():
            counter = CounterMetricFamily(f"maxpool_rollout_{NAMES.get(field, field)}", text, labels=LABELS)
            for figures in told:
                counter.add_metric([figures.model, figures.version], getattr(figures, field))
            yield counter
        seconds = CounterMetricFamily(
            "maxpool_rollout_run_seconds",
            "What maxpool_rollout_rows_total took to run, as if each row had run alone",
            labels=(*LABELS, "of"),
        )
        state = GaugeMetricFamily("maxpool_rollout_state", "1 for the state of the rollout", labels=(*LABELS, "state"))
        for figures in told:
            seconds.add_metric([figures.model, figures.version, "serve"], figures.serve_seconds)
            seconds.add_metric([figures.model, figures.version, "candidate"], figures.candidate_seconds)
            state.add_metric([figures.model, figures.version, figures.state], 1)
        yield from (seconds, state)
