"""Which labels are taken for which, and what follows of it: precision, recall and F1 of each label."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]  # K x K: the true label's row, the answered label's column


@dataclass(frozen=True)
class LabelScore:
    """None where nothing can be said: no rows of the label, or, for the precision, no answer of it."""

    label: int
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confusion:
    true: int
    answered: int
    rows: int


def confusion_matrix(targets: npt.NDArray[np.int64], answers: npt.NDArray[np.int64], labels: int) -> Counts:
    counts = np.zeros((labels, labels), np.int64)
    np.add.at(counts, (targets, answers), 1)
    return counts


def label_scores(counts: Counts) -> list[LabelScore]:
    """In label order."""
    scores = []
    for label, (right, rows, answers) in enumerate(zip(counts.diagonal(), counts.sum(1), counts.sum(0), strict=True)):
        scores.append(
            LabelScore(
                label,
                rows=int(rows),
                precision=float(right / answers) if rows and answers else None,
                recall=float(right / rows) if rows else None,
                f1=float(2 * right / (rows + answers)) if rows else None,
            )
        )
    return scores


def macro_f1(scores: list[LabelScore]) -> float:
    """The mean over the labels that have rows: a rare label counts as much as a frequent one."""
    return float(np.mean([score.f1 for score in scores if score.f1 is not None]))


def confusions(counts: Counts) -> list[Confusion]:
    """All that happened, the most frequent first."""
    wrong = counts - np.diag(counts.diagonal())
    found = [Confusion(int(true), int(answered), int(wrong[true, answered])) for true, answered in np.argwhere(wrong)]
    return sorted(found, key=lambda each: -each.rows)


def most_mixed(counts: Counts) -> tuple[int, int]:
    """The two labels that are taken for one another most often, either way."""
    one, other = np.unravel_index(np.triu(counts + counts.T, 1).argmax(), counts.shape)
    return int(one), int(other)
