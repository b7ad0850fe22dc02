"""Counts of rows in bins, and the index of two of them."""

import math
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from pydantic import ValidationError

from service.drift import ENOUGH, LABEL_BINS, Yardstick, brightness, names_of_bins, stability
from service.driftmetrics import DriftMetrics
from service.reference import Histogram, Reference

EVEN = Histogram(edges=(0.5,), shares=(0.5, 0.5))
LENGTH = Histogram(edges=(10, 20), shares=(0.25, 0.5, 0.25))


def reference(**others: Any) -> Reference:
    return Reference(**{"data": "held out", "n": 1000, "label": (0.5, 0.5), "confidence": EVEN, **others})


def sentences() -> Yardstick:
    return Yardstick(reference(length=LENGTH, unknown_words=0.1), ("no", "yes"))


def test_the_index_is_the_one_computed_by_hand() -> None:
    """(30.5, 70.5) of 101 against (500.5, 500.5) of 1001: sum (p - q) ln (p / q)."""
    p = 30.5 / 101, 70.5 / 101
    expected = (p[0] - 0.5) * math.log(p[0] / 0.5) + (p[1] - 0.5) * math.log(p[1] / 0.5)
    assert stability(np.array([30.0, 70.0]), np.array([0.5, 0.5]), 1000) == pytest.approx(expected)
    assert expected == pytest.approx(0.1659, abs=1e-4)


def test_the_same_shares_have_index_0_and_an_empty_bin_is_no_infinity() -> None:
    assert stability(np.array([500.0, 500.0]), np.array([0.5, 0.5]), 1000) == pytest.approx(0)
    # smoothed: 1000.5 / 1001 and 0.5 / 1001 against halves
    expected = (1000.5 / 1001 - 0.5) * math.log(2 * 1000.5 / 1001) + (0.5 / 1001 - 0.5) * math.log(2 * 0.5 / 1001)
    assert stability(np.array([1000.0, 0.0]), np.array([0.5, 0.5]), 1000) == pytest.approx(expected)


def test_a_row_falls_into_one_bin_of_each_scale() -> None:
    yardstick = sentences()
    names = [yardstick.bins[at] for at in yardstick.places("x" * 20, np.array([0.2, 0.8], np.float32))]
    assert names == [("label", "yes"), ("confidence", "0.5 and more"), ("length", "20 and more")]
    assert yardstick.bins[-2:] == [("words", "known"), ("words", "unknown")]
    pictures = Yardstick(reference(brightness=EVEN), ("no", "yes"))
    dark = pictures.places(np.full((8, 8, 3), 20, np.uint8), np.array([0.6, 0.4], np.float32))
    assert [pictures.bins[at] for at in dark][::2] == [("label", "no"), ("brightness", "below 0.5")]


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (224, 200, 3), (1000, 300, 3)])
def test_brightness_is_the_mean_of_all_pixels_or_nearly(shape: tuple[int, ...]) -> None:
    row = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert brightness(row) == pytest.approx(row.mean() / 255, abs=1e-9 if max(shape) < 128 else 0.02)


def test_nothing_is_said_of_too_few_rows() -> None:
    few, enough = ({("label", "no"): float(rows), ("confidence", "below 0.5"): float(rows)} for rows in (499, ENOUGH))
    found = sentences().find(few)
    assert (found.status, found.rows, found.psi) == ("not enough rows", 499, {})
    assert sentences().find(enough).status == "major"


@pytest.mark.parametrize(("no", "status"), [(500, "ok"), (660, "moderate"), (730, "major")])
def test_the_status_is_by_the_worst_index(no: float, status: str) -> None:
    counted = {("label", "no"): no, ("label", "yes"): 1000 - no}
    counted |= {("confidence", "below 0.5"): 500, ("confidence", "0.5 and more"): 500}
    counted |= {("length", "below 10"): 250, ("length", "10 to 20"): 500, ("length", "20 and more"): 250}
    found = sentences().find({**counted, ("words", "known"): 900, ("words", "unknown"): 300})
    assert (found.status, found.unknown_words) == (status, 0.25)
    assert found.psi["length"] == pytest.approx(0)


def test_a_thousand_labels_take_few_bins_of_like_shares() -> None:
    labels = tuple(f"label {at}" for at in range(1000))
    yardstick = Yardstick(reference(label=(0.001,) * 1000), labels)
    (scale, _) = yardstick.scales
    assert len(scale.bins) == LABEL_BINS
    np.testing.assert_allclose(scale.shares, 0.05)
    assert scale.bins[0] == "label 0 to label 49"
    places = {yardstick.places("", np.eye(1000, dtype=np.float32)[at])[0] for at in range(1000)}
    assert places == set(range(LABEL_BINS))


def test_labels_that_no_row_got_have_bins_too() -> None:
    shares = (1.0, *(0.0,) * 99)
    (scale, _) = Yardstick(reference(label=shares), tuple(map(str, range(100)))).scales
    assert len(scale.bins) <= LABEL_BINS
    assert scale.shares.sum() == pytest.approx(1)


def test_bins_have_names() -> None:
    assert names_of_bins((0.5, 0.999)) == ("below 0.5", "0.5 to 0.999", "0.999 and more")
    assert names_of_bins(()) == ("any",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges": (0.5,), "shares": (1.0,)},
        {"edges": (0.5, 0.5), "shares": (0.5, 0.0, 0.5)},
        {"edges": (0.5,), "shares": (0.5, 0.6)},
    ],
)
def test_a_histogram_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Histogram(**wrong)


def test_what_prometheus_sees_follows_of_the_counts_alone() -> None:
    registry = CollectorRegistry()
    drift = DriftMetrics(registry)
    yardstick = sentences()
    drift.watch(lambda: {("length", "1"): yardstick})
    for gauge, count in zip(drift.of_model("length", "1", yardstick), (500, 0, 0, 500, 0, 0, 500, 90, 10), strict=True):
        gauge.set(count)
    told = {
        (sample.name, sample.labels.get("of")): sample.value
        for each in drift.told(registry.collect())
        for sample in each.samples
    }
    assert told["maxpool_drift_rows", None] == 500
    assert told["maxpool_unknown_word_share", None] == 0.1
    assert told["maxpool_unknown_word_share_reference", None] == 0.1
    assert {of for name, of in told if name == "maxpool_drift_psi"} == {"label", "confidence", "length"}


def test_a_version_that_is_not_served_is_not_told_of() -> None:
    registry = CollectorRegistry()
    drift = DriftMetrics(registry)
    drift.of_model("length", "1", sentences())[0].set(500)
    metrics: list[Metric] = list(drift.told(registry.collect()))
    assert not any(each.samples for each in metrics)
