"""What Prometheus sees of drift: the rows in each bin, summed over all processes, and what follows of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.drift import Finding, Yardstick

OF_MODEL = ("model", "version")
BIN_ROWS = "maxpool_drift_bin_rows"
Key = tuple[str, str]  # name, version


class DriftMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._bins = Gauge(
            BIN_ROWS,
            "Of the rows in the window those in each bin of the reference; of words, known and unknown ones",
            (*OF_MODEL, "of", "bin"),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._yardsticks: Callable[[], dict[Key, Yardstick]] = dict

    def watch(self, yardsticks: Callable[[], dict[Key, Yardstick]]) -> None:
        """Of the versions that are served now."""
        self._yardsticks = yardsticks

    def of_model(self, model: str, version: str, yardstick: Yardstick) -> list[Gauge]:
        """Of this process, of each of the yardstick's bins."""
        return [self._bins.labels(model, version, of, bin) for of, bin in yardstick.bins]

    def findings(self, metrics: Iterable[Metric]) -> dict[Key, Finding]:
        """`metrics`: of all processes."""
        counted: defaultdict[Key, dict[tuple[str, str], float]] = defaultdict(dict)
        for metric in metrics:
            if metric.name == BIN_ROWS:
                for sample in metric.samples:
                    of = sample.labels
                    counted[of["model"], of["version"]][of["of"], of["bin"]] = sample.value
        return {key: yardstick.find(counted[key]) for key, yardstick in self._yardsticks().items()}

    def told(self, metrics: Iterable[Metric]) -> Iterator[Metric]:
        """What follows of the metrics of all processes, by the references of this one."""
        rows = GaugeMetricFamily("maxpool_drift_rows", "Sampled rows in the window", labels=OF_MODEL)
        psi = GaugeMetricFamily(
            "maxpool_drift_psi",
            "Population stability index of the rows in the window against the reference; none with too few rows",
            labels=(*OF_MODEL, "of"),
        )
        share = GaugeMetricFamily(
            "maxpool_unknown_word_share",
            "Share of the words in the window that the graph does not know",
            labels=OF_MODEL,
        )
        reference = GaugeMetricFamily(
            "maxpool_unknown_word_share_reference", "The same of the rows that the reference is of", labels=OF_MODEL
        )
        yardsticks = self._yardsticks()
        for key, found in self.findings(metrics).items():
            rows.add_metric(key, found.rows)
            for of, value in found.psi.items():
                psi.add_metric((*key, of), value)
            if found.unknown_words is not None:
                share.add_metric(key, found.unknown_words)
            if key in yardsticks and (known := yardsticks[key].reference.unknown_words) is not None:
                reference.add_metric(key, known)
        yield from (rows, psi, share, reference)


class WithDrift(Collector):
    """The metrics of all processes, and after them what follows of those for drift."""

    def __init__(self, all_processes: Collector, drift: DriftMetrics) -> None:
        self._all_processes = all_processes
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        metrics = list(self._all_processes.collect())
        yield from metrics
        yield from self._drift.told(metrics)
