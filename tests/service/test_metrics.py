"""Names and units as Prometheus wants them (https://prometheus.io/docs/practices/naming)."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from service.metrics import Metrics

UNITS = {"ms", "us", "milliseconds", "microseconds", "minutes", "hours", "kilobytes", "mb", "mib", "percent"}
OBSERVED = {"rows", "seconds"}


def wrong(metrics: Iterator[Metric]) -> list[str]:
    """The metrics that break a rule, with the rule."""
    found = []
    for metric in metrics:
        words = metric.name.split("_")
        if words[0] != "maxpool":
            found.append(f"{metric.name}: prefix")
        if set(words) & UNITS or ("seconds" in words[:-1]):
            found.append(f"{metric.name}: unit")
        if {"duration", "timestamp"} & set(words) and words[-1] != "seconds":
            found.append(f"{metric.name}: no unit")
        if metric.type in ("histogram", "summary") and words[-1] not in OBSERVED:
            found.append(f"{metric.name}: of what")
        if metric.type == "gauge" and words[-1] == "total":
            found.append(f"{metric.name}: a total that falls")
        if not metric.documentation or metric.documentation.endswith("."):
            found.append(f"{metric.name}: help")
    return found


def test_every_metric_is_named_as_prometheus_wants_it() -> None:
    assert wrong(iter(Metrics().registry.collect())) == []


@pytest.mark.parametrize(
    ("kind", "name", "text", "rule"),
    [
        (Counter, "requests", "Requests", "prefix"),
        (Counter, "maxpool_wait_ms", "Waited", "unit"),
        (Counter, "maxpool_seconds_of_decode", "Decoding", "unit"),
        (Gauge, "maxpool_run_duration", "The last run", "no unit"),
        (Histogram, "maxpool_decode", "Decoding", "of what"),
        (Gauge, "maxpool_rows_total", "Rows now", "a total that falls"),
        (Counter, "maxpool_requests", "", "help"),
    ],
)
def test_one_that_is_not_is_seen(kind: type[Counter], name: str, text: str, rule: str) -> None:
    registry = CollectorRegistry()
    kind(name, text, registry=registry)
    assert wrong(iter(registry.collect())) == [f"{name}: {rule}"]
