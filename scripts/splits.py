"""Rows held out by a seed: the same share of every label, and never a sentence on both sides."""

from collections import Counter

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def group_duplicates(rows: list[str]) -> Indices:
    """The same number for the same sentence, whatever its case."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(row.lower(), len(numbers)) for row in rows], np.int64)


def hold_out(targets: Indices, groups: Indices, among: Indices, *, share: float, seed: int) -> Indices:
    """Indices out of `among`, sorted. Twins of a chosen row are chosen with it."""
    random = np.random.default_rng(seed)
    chosen: list[Indices] = [np.empty(0, np.int64)]
    for target in np.unique(targets):
        of_target = among[targets[among] == target]
        chosen.append(random.permutation(of_target)[: round(len(of_target) * share)])
    twins: Indices = among[np.isin(groups[among], groups[np.concatenate(chosen)])]
    return twins


def read_splits(words: list[str | None]) -> tuple[list[str | None], Counter[str]]:
    """train, validation, test or None for what the data says of each row; and the words that are none of these."""
    splits = [SPLITS.get((word or "").strip().lower()) for word in words]
    return splits, Counter(word for word, split in zip(words, splits, strict=True) if word and not split)


def split_rows(targets: Indices, groups: Indices, splits: list[str | None], *, seed: int) -> dict[str, Indices]:
    """What the data does not say is held out: 15 % for the test, 15 % of the rest for validation (10 % from 5,000 rows
    on), stratified. Shares are of different rows, so that a thousand copies of one are still one; they stay together.
    """
    parts = {
        name: np.array([at for at, split in enumerate(splits) if split == name], np.int64)
        for name in ("test", "validation")
        if name in splits
    }
    rest = np.setdiff1d(np.arange(len(targets)), np.concatenate([np.empty(0, np.int64), *parts.values()]))
    share = 0.15 if len(rest) < 5_000 else 0.10
    for name in ("test", "validation"):
        if name not in parts:
            _, first = np.unique(groups[rest], return_index=True)
            chosen = hold_out(targets, groups, rest[first], share=share, seed=seed)
            parts[name] = rest[np.isin(groups[rest], groups[chosen])]
            rest = np.setdiff1d(rest, parts[name])
    return {"train": rest, "validation": parts["validation"], "test": parts["test"]}
