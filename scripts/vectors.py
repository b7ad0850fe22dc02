"""Word vectors trained elsewhere: GloVe's and word2vec's text files, and word2vec's binary one.

Only the words that are asked for are kept, so a file of gigabytes is read in a stream.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Vector = npt.NDArray[np.float32]
Vectors = dict[str, Vector]


def read_vectors(path: Path, words: set[str]) -> Vectors:
    """Of these words, those the file has, in lower case or else as it writes them first. Raises FileNotFoundError, and
    ValueError where it is none of the three formats."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: expected word vectors of GloVe or word2vec")
    exact: Vectors = {}
    cased: Vectors = {}
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        try:
            for word, vector in entries_of(cast(IO[bytes], stream), binary=".bin" in path.suffixes):
                if word in words:
                    exact.setdefault(word, vector)
                elif (lower := word.lower()) in words:
                    cased.setdefault(lower, vector)
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path} is no file of word vectors ({error}): expected lines of a word and its numbers, as GloVe and "
                "word2vec write them, or word2vec's binary format in a file named .bin, either perhaps with .gz"
            ) from None
    return cased | exact


def entries_of(stream: IO[bytes], *, binary: bool) -> Iterator[tuple[str, Vector]]:
    head = stream.readline()
    counts = head.split()
    if len(counts) != 2 or not all(count.isdigit() for count in counts):
        if binary:
            raise ValueError("its first line is not the two numbers that word2vec begins with")
        yield from text_entries(chain([head], stream), len(counts) - 1)  # GloVe's files have no line of counts
    elif binary:
        yield from binary_entries(stream, *map(int, counts))
    else:
        yield from text_entries(stream, int(counts[1]))


def text_entries(lines: Iterable[bytes], size: int) -> Iterator[tuple[str, Vector]]:
    """A few of GloVe's words hold spaces, so the numbers are counted from the end."""
    for at, line in enumerate(lines):
        parts = line.decode("utf-8", "replace").rstrip().split(" ")
        if len(parts) < size + 1 or size < 1:
            raise ValueError(f"entry {at + 1} has {len(parts) - 1} numbers, not {size}")
        vector = np.array(parts[-size:], np.float32)
        if not np.isfinite(vector).all():
            raise ValueError(f"entry {at + 1} has numbers that are not finite")
        yield " ".join(parts[:-size]), vector


def binary_entries(stream: IO[bytes], count: int, size: int) -> Iterator[tuple[str, Vector]]:
    for _ in range(count):
        word = bytearray()
        while (byte := stream.read(1)) != b" ":
            if not byte:
                raise EOFError("it ends within a word")
            word += byte
        vector = np.frombuffer(stream.read(4 * size), "<f4")
        if len(vector) < size:
            raise EOFError("it ends within a vector")
        if not np.isfinite(vector).all():
            raise ValueError("a vector has numbers that are not finite")
        yield word.decode("utf-8", "replace").lstrip("\n"), vector


def fill_table(words: list[str], vectors: Vectors) -> Tensor:
    """One row a word; those without a vector get a random one of the same variance as the known (Kim 2014, 3.1).
    Raises ValueError where no word has one."""
    if not vectors:
        raise ValueError("none of the words of the training rows has a vector: is it a file of the same language?")
    known = np.stack(list(vectors.values()))
    bound = float(np.sqrt(3 * known.var()))  # a uniform distribution on ±bound has the variance bound² / 3
    table = torch.empty(len(words), known.shape[1]).uniform_(-bound, bound)
    for at, word in enumerate(words):
        if word in vectors:
            table[at] = torch.from_numpy(vectors[word].copy())
    return table
