"""Small data sets in the files' own formats: bars and blobs for MNIST, made-up questions for TREC."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from scripts.datasets import CIFAR10, DIGITS, DataSet, Split


def tiny_pictures(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright bar at a height that tells the digit, in noise."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 10, n)
    pictures = random.integers(0, 40, (n, 28, 28, 1), dtype=np.uint8)
    for at, target in enumerate(targets):
        pictures[at, 2 * target + 4 : 2 * target + 6] = 220
    return pictures, targets


@pytest.fixture
def tiny_digits() -> DataSet:
    parts = [
        Split(f"tiny {part}", *tiny_pictures(n, seed))
        for seed, (part, n) in enumerate((("train", 400), ("validation", 100), ("test", 100)))
    ]
    return DataSet("mnist", DIGITS, *parts, "tiny bars")


def tiny_colours() -> DataSet:
    """The bars again, in colour and 32 x 32."""
    parts = []
    for seed, (part, n) in enumerate((("train", 400), ("validation", 100), ("test", 100))):
        pictures, targets = tiny_pictures(n, seed)
        coloured = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0))).repeat(3, axis=3)
        parts.append(Split(f"tiny {part}", coloured, targets))
    return DataSet("cifar10", CIFAR10, *parts, "tiny bars")


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))
