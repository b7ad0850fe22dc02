"""Guo et al. 2017, "On calibration of modern neural networks": temperature scaling, and the error it mends."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from scripts.datasets import Split


def calibrate(logits: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> float:
    """The temperature that minimises the cross-entropy (section 4.2). logits N x K."""
    given, wanted = torch.from_numpy(logits).double(), torch.from_numpy(targets)
    exponent = torch.zeros(1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([exponent], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(given / exponent.exp(), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return exponent.exp().item()


def expected_calibration_error(scores: npt.NDArray[Any], targets: npt.NDArray[np.int64], bins: int = 15) -> float:
    """Section 2: by how much confidence and accuracy differ, over bins of confidence."""
    confidence, right = scores.max(1), scores.argmax(1) == targets
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for bin_ in np.unique(at):
        inside = at == bin_
        error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


def calibrate_on(logits: npt.NDArray[Any], split: Split) -> dict[str, Any]:
    temperature = calibrate(logits, split.targets)
    return {
        "temperature": round(temperature, 4),
        "data": split.name,
        "ece_before": round(expected_calibration_error(softmax(logits), split.targets), 4),
        "ece_after": round(expected_calibration_error(softmax(logits / temperature), split.targets), 4),
    }


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    powers: npt.NDArray[Any] = np.exp(logits - logits.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers
