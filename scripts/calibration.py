"""Guo et al. 2017, "On calibration of modern neural networks": temperature scaling, and the error it mends."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from scripts.datasets import Split

BINS = 15


def calibrate(logits: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> float:
    """The temperature that minimises the cross-entropy (section 4.2). logits N x K.

    A few rows that are all right would have it go to zero, a few that are all wrong to infinity: its logarithm has a
    normal prior of mean 0 and variance 1, which weighs as much as one row.
    """
    given, wanted = torch.from_numpy(logits).double(), torch.from_numpy(targets)
    exponent = torch.zeros(1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([exponent], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(given / exponent.exp(), wanted) + (exponent**2).sum() / (2 * len(wanted))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return exponent.exp().item()


def calibrate_on(logits: npt.NDArray[Any], split: Split) -> dict[str, Any]:
    """The `calibration` of a spec, fitted on these rows."""
    temperature = calibrate(logits, split.targets)
    return {
        "temperature": round(temperature, 4),
        "data": split.name,
        "ece_before": round(expected_calibration_error(softmax(logits), split.targets), 4),
        "ece_after": round(expected_calibration_error(softmax(logits / temperature), split.targets), 4),
    }


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: npt.NDArray[Any] = powers / powers.sum(1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Bin:
    """Rows of about the same confidence, which a calibrated net gets right just as often."""

    rows: int
    confidence: float  # mean
    accuracy: float


def reliability(scores: npt.NDArray[Any], targets: npt.NDArray[np.int64], bins: int = BINS) -> list[Bin]:
    """Section 2, the reliability diagram: the bins that have rows, by rising confidence. scores N x K."""
    confidence, right = scores.max(1), scores.argmax(1) == targets
    at = bins_of(confidence, bins)
    return [
        Bin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean()))
        for inside in (at == bin_ for bin_ in np.unique(at))
    ]


def bins_of(confidence: npt.NDArray[Any], bins: int) -> npt.NDArray[np.int64]:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def expected_calibration_error(scores: npt.NDArray[Any], targets: npt.NDArray[np.int64], bins: int = BINS) -> float:
    """Section 2: by how much confidence and accuracy differ, over bins of confidence."""
    found = reliability(scores, targets, bins)
    return sum(bin_.rows * abs(bin_.confidence - bin_.accuracy) for bin_ in found) / len(targets)


def error_by_chance(scores: npt.NDArray[Any], bins: int = BINS, draws: int = 200, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated net with these scores stays under 95 times in 100: so few rows
    never are right exactly as often as they should be (Bröcker and Smith 2007, consistency resampling)."""
    random = np.random.default_rng(seed)
    confidence = scores.max(1)
    at = bins_of(confidence, bins)
    errors = [
        np.abs(np.bincount(at, confidence - (random.random(len(at)) < confidence), bins)).sum() / len(at)
        for _ in range(draws)
    ]
    return float(np.quantile(errors, 0.95))
