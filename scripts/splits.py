"""Rows held out by a seed: the same share of every label, and never a sentence on both sides."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def group_duplicates(rows: list[str]) -> Indices:
    """The same number for the same sentence, whatever its case."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(row.lower(), len(numbers)) for row in rows], np.int64)


def hold_out(targets: Indices, groups: Indices, among: Indices, *, share: float, seed: int) -> Indices:
    """Indices out of `among`, sorted. Twins of a chosen row are chosen with it."""
    random = np.random.default_rng(seed)
    chosen: list[Indices] = []
    for target in np.unique(targets):
        of_target = among[targets[among] == target]
        chosen.append(random.permutation(of_target)[: round(len(of_target) * share)])
    twins: Indices = among[np.isin(groups[among], groups[np.concatenate(chosen)])]
    return twins
