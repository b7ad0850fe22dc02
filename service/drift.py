"""Whether what is asked still looks like what a model was measured on: counts of live rows in bins, held against the
shares that the spec's reference has. Counts are all there is: nothing of a row outlives its counting.

The population stability index of two distributions p and q over the same bins is sum (p - q) ln (p / q). To each bin of
either side half a row is added, so that an empty one gives a number.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.reference import Histogram, Reference

Counts = npt.NDArray[np.float64]

# Neighbours among more labels than this share a bin, as much of the reference in each: fewer rows tell as much.
LABEL_BINS = 20
# Rows before anything is said: of an index of 20 bins, chance alone then gives 0.09 once in a thousand times.
ENOUGH = 500
MODERATE, MAJOR = 0.1, 0.2  # of the index; the trade's own rule of thumb
SMOOTHING = 0.5  # rows a bin
GRID = 64  # pixels a side, about, of which a large row's brightness is the mean
WORDS = "words"


@dataclass(frozen=True)
class Scale:
    """One thing that rows are counted by."""

    of: str
    bins: tuple[str, ...]
    shares: Counts  # of the reference
    at: int  # of its first bin among all


@dataclass(frozen=True)
class Finding:
    """Of the rows in the window, over all processes."""

    rows: int
    psi: dict[str, float]  # by what; empty with too few rows
    shares: dict[str, Counts]  # by what; of each bin
    unknown_words: float | None  # share of the words; None where none were counted, or too few rows

    @property
    def status(self) -> Literal["ok", "moderate", "major", "not enough rows"]:
        if not self.psi:
            return "not enough rows"
        worst = max(self.psi.values())
        return "major" if worst >= MAJOR else "moderate" if worst >= MODERATE else "ok"


class Yardstick:
    """A model's reference, cut into bins: those of all scales one after the other, then known and unknown words."""

    def __init__(self, reference: Reference, labels: Sequence[str]) -> None:
        self.reference = reference
        self._bin_of_label = label_bins(np.array(reference.label))
        scales = [("label", names_of_labels(labels, self._bin_of_label), label_shares(reference, self._bin_of_label))]
        self._edges: dict[str, tuple[float, ...]] = {}
        for of in ("confidence", "brightness", "length"):
            histogram: Histogram | None = getattr(reference, of)
            if histogram is not None:
                self._edges[of] = histogram.edges
                scales.append((of, names_of_bins(histogram.edges), np.array(histogram.shares)))
        self.scales: list[Scale] = []
        at = 0
        for of, names, shares in scales:
            self.scales.append(Scale(of, names, shares, at))
            at += len(names)
        self.words = at if reference.unknown_words is not None else None  # where known ones are; unknown ones are next
        self.bins = [(scale.of, name) for scale in self.scales for name in scale.bins]
        if self.words is not None:
            self.bins += [(WORDS, "known"), (WORDS, "unknown")]
        self._index = {bin: at for at, bin in enumerate(self.bins)}

    def places(self, row: Any, scores: npt.NDArray[np.float32]) -> list[int]:
        """The bins of a row (H x W x C uint8, or a str) that was given these scores."""
        best = int(scores.argmax())
        found = [int(self._bin_of_label[best])]
        for scale in self.scales[1:]:
            value = float(scores[best]) if scale.of == "confidence" else size(row)
            found.append(scale.at + bisect_right(self._edges[scale.of], value))
        return found

    def find(self, counted: dict[tuple[str, str], float]) -> Finding:
        """`counted`: rows in each bin, by what it is of and its name; words for the last two."""
        counts = np.zeros(len(self.bins))
        for bin, rows in counted.items():
            if bin in self._index:
                counts[self._index[bin]] = rows
        of_scale = {scale.of: counts[scale.at : scale.at + len(scale.bins)] for scale in self.scales}
        rows = round(of_scale["label"].sum())
        enough = rows >= ENOUGH
        known, unknown = counts[self.words : self.words + 2] if self.words is not None else (0.0, 0.0)
        return Finding(
            rows=rows,
            psi={each.of: stability(of_scale[each.of], each.shares, self.reference.n) for each in self.scales}
            if enough
            else {},
            shares={of: each / max(1.0, each.sum()) for of, each in of_scale.items()},
            unknown_words=float(unknown / (known + unknown)) if enough and known + unknown else None,
        )


def stability(counts: Counts, shares: Counts, n: int) -> float:
    """The index of counts against the shares of n rows."""
    live, reference = counts + SMOOTHING, shares * n + SMOOTHING
    p, q = live / live.sum(), reference / reference.sum()
    return float(((p - q) * np.log(p / q)).sum())


def size(row: Any) -> float:
    """The characters of a sentence, or the brightness of a picture."""
    return len(row) if isinstance(row, str) else brightness(row)


def brightness(row: npt.NDArray[np.uint8]) -> float:
    """Mean pixel of H x W x C, 0 to 1; of a large one over a grid, as all of it would take a millisecond."""
    step = max(1, max(row.shape[:2]) // GRID)
    return float(row[::step, ::step].mean()) / 255


def label_bins(shares: Counts) -> npt.NDArray[np.int64]:
    """The bin of each label. Labels in like order are often alike, so that neighbours go together."""
    if len(shares) <= LABEL_BINS:
        return np.arange(len(shares))
    middles = (np.cumsum(shares) - shares / 2) / shares.sum()
    _, bins = np.unique(np.minimum(middles * LABEL_BINS, LABEL_BINS - 1).astype(np.int64), return_inverse=True)
    return bins


def label_shares(reference: Reference, bins: npt.NDArray[np.int64]) -> Counts:
    summed: Counts = np.bincount(bins, weights=np.array(reference.label)).astype(np.float64)
    return summed


def names_of_labels(labels: Sequence[str], bins: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """A bin's own label, or its first and last."""
    ends = [np.flatnonzero(bins == at)[[0, -1]] for at in range(bins.max() + 1)]
    return tuple(labels[a] if a == b else f"{labels[a]} to {labels[b]}" for a, b in ends)


def names_of_bins(edges: Sequence[float]) -> tuple[str, ...]:
    if not edges:
        return ("any",)
    between = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return (f"below {edges[0]:g}", *between, f"{edges[-1]:g} and more")
