"""What the test rows say of a net: every number of the report, before any of its words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.calibration import Bin, error_by_chance, expected_calibration_error, reliability, softmax
from scripts.confusion import Counts, LabelScore, confusion_matrix, label_scores
from scripts.measure import wilson

TOP = 5


@dataclass(frozen=True)
class Calibration:
    before: list[Bin]
    after: list[Bin]
    ece_before: float
    ece_after: float
    by_chance: float  # what a perfectly calibrated net would stay under on so many rows, 95 times in 100
    too_sure: float  # mean score of the answers less the accuracy


@dataclass(frozen=True)
class Judgement:
    """Of at least one row."""

    n: int
    right: int
    interval: tuple[float, float]  # 95 %, Wilson
    top: float | None  # share with the true label among the five highest scores; None for 10 labels or fewer
    usual: int  # the test rows' most frequent label
    usual_share: float
    scores: npt.NDArray[Any]  # N x K, calibrated
    counts: Counts
    label_scores: list[LabelScore]
    calibration: Calibration

    @property
    def accuracy(self) -> float:
        return self.right / self.n


def judge(logits: npt.NDArray[Any], targets: npt.NDArray[np.int64], *, temperature: float) -> Judgement:
    """logits N x K, before the temperature; N is at least 1."""
    n, labels = logits.shape
    raw, scores = softmax(logits), softmax(logits / temperature)
    answers = scores.argmax(1)
    right = int((answers == targets).sum())
    counts = confusion_matrix(targets, answers, labels)
    rows = counts.sum(1)
    return Judgement(
        n=n,
        right=right,
        interval=wilson(right, n),
        top=top_share(logits, targets, TOP) if labels > 2 * TOP else None,
        usual=int(rows.argmax()),
        usual_share=float(rows.max() / n),
        scores=scores,
        counts=counts,
        label_scores=label_scores(counts),
        calibration=Calibration(
            before=reliability(raw, targets),
            after=reliability(scores, targets),
            ece_before=expected_calibration_error(raw, targets),
            ece_after=expected_calibration_error(scores, targets),
            by_chance=error_by_chance(scores),
            too_sure=float(scores.max(1).mean()) - right / n,
        ),
    )


def top_share(logits: npt.NDArray[Any], targets: npt.NDArray[np.int64], most: int) -> float:
    """How often fewer than `most` labels score higher than the true one."""
    of_true = logits[np.arange(len(targets)), targets]
    return float(((logits > of_true[:, None]).sum(1) < most).mean())
