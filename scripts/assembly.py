"""Inputs with their labels -> labels in order, training, validation and test rows, and what was found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.datasets import DataSet, Pixels, Split
from scripts.findings import counted, describe, listed
from scripts.splits import Indices, read_splits, split_rows
from service.spec import ImageInput, SentenceInput


@dataclass(frozen=True)
class Rows:
    inputs: Any  # Pixels, or a list of sentences
    names: list[str]  # by which people find them again
    labels: list[str]
    splits: list[str | None]
    groups: Indices  # the same number for the same input


def known_splits(words: list[str | None]) -> tuple[list[int], list[str]]:
    """The rows that are of a split we know or of none, and a sentence on the others."""
    splits, others = read_splits(words)
    if not others:
        return list(range(len(words))), []
    named = listed([repr(word) for word, _ in others.most_common()])
    if not any(splits):
        return list(range(len(words))), [f"The column of splits says {named}, not train, validation or test: not used."]
    keep = [at for at, word in enumerate(words) if splits[at] or not word]
    return keep, [f"{counted(others.total(), 'row')} left out, of the split {named}: not train, validation or test."]


def assemble(
    source: Path, rows: Rows, given: ImageInput | SentenceInput, *, refused: list[str], notes: list[str], seed: int
) -> DataSet:
    labels = tuple(sorted(set(rows.labels), key=natural))
    left_out = f"; left out: {listed(refused, '; ')}" if refused else ""
    if len(labels) < 2:
        raise ValueError(
            f"{source} has {counted(len(rows.labels), 'input')} of {counted(len(labels), 'label')}: a classifier "
            f"needs two labels or more{left_out}"
        )
    numbers = {label: at for at, label in enumerate(labels)}
    targets = np.array([numbers[label] for label in rows.labels], np.int64)
    parts = split_rows(targets, rows.groups, rows.splits, seed=seed)
    if missing := [label for at, label in enumerate(labels) if at not in targets[parts["train"]]]:
        raise ValueError(f"no training row has the label {listed(missing)}: every label needs some{left_out}")
    if not len(parts["validation"]):
        raise ValueError(
            f"{source} has {len(targets):,} inputs of {len(labels)} labels, too few to hold some out for validation: "
            f"expected five different ones or more of a label{left_out}"
        )
    said = {part: "as the data says" if part in rows.splits else f"split by seed {seed}" for part in parts}
    if "train" not in rows.splits and len(set(said.values())) > 1:
        said["train"] = "the rest"
    kind = "pictures" if isinstance(given, ImageInput) else "sentences"
    found = describe(kind, rows.names, labels, targets, rows.groups, parts, said, refused)
    name = source.resolve().name + "/" * source.is_dir()  # a folder called mnist is not the named data set
    splits = {
        part: Split(f"{name} {part}, {said[part]}", take(rows.inputs, parts[part], part), targets[parts[part]])
        for part in ("validation", "test", "train")  # the last moves what the others have copied
    }
    return DataSet(
        name,
        labels,
        splits["train"],
        splits["validation"],
        splits["test"],
        f"{name}, {len(targets):,} {kind} of {len(labels)} labels",
        given,
        found + notes,
    )


def take(inputs: Any, at: Indices, part: str) -> Any:
    if isinstance(inputs, list):
        return [inputs[each] for each in at]
    return move_up(inputs, at) if part == "train" else inputs[at]


def natural(label: str) -> tuple[int, float, str]:
    """2 before 10, numbers before words."""
    try:
        number = float(label)
    except ValueError:
        return (1, 0.0, label)
    return (0, number, label) if np.isfinite(number) else (1, 0.0, label)


def move_up(pixels: Pixels, keep: list[int] | Indices) -> Pixels:
    """These rows, in rising order, in the memory that they are in: there may be no room for a copy."""
    for to, at in enumerate(keep):
        if to != at:
            pixels[to] = pixels[at]
    return pixels[: len(keep)]
