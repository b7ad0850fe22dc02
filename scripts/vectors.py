"""Word vectors trained elsewhere: GloVe's and word2vec's text files, and word2vec's binary one.

Only the words that are asked for are kept, so a file of gigabytes is read in a stream.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Vector = npt.NDArray[np.float32]
Vectors = dict[str, Vector]


def read_vectors(path: Path, words: set[str]) -> Vectors:
    """Of these words, those the file has. Raises ValueError where it is none of the three formats."""
    found: Vectors = {}
    with path.open("rb") as stream:
        head = stream.readline()
        counts = head.split()
        entries: Iterator[tuple[str, Vector]]
        if len(counts) == 2 and all(count.isdigit() for count in counts):
            size = int(counts[1])
            entries = binary_entries(stream, *map(int, counts)) if path.suffix == ".bin" else text_entries(stream, size)
        else:  # GloVe's files have no first line with the counts
            stream.seek(0)
            entries = text_entries(stream, len(counts) - 1)
        try:
            for word, vector in entries:
                word = word.lower() if word.lower() in words and word.lower() not in found else word
                if word in words and word not in found:
                    found[word] = vector
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"{path} is no file of word vectors ({error}): expected lines of a word and its numbers, as GloVe and "
                "word2vec write them, or word2vec's binary format in a file named .bin"
            ) from None
    return found


def text_entries(stream: BinaryIO, size: int) -> Iterator[tuple[str, Vector]]:
    """A few of GloVe's words hold spaces, so the numbers are counted from the end."""
    for at, line in enumerate(stream):
        parts = line.decode("utf-8", "replace").rstrip().split(" ")
        if len(parts) < size + 1 or size < 1:
            raise ValueError(f"entry {at + 1} has {len(parts) - 1} numbers, the first {size}")
        yield " ".join(parts[:-size]), np.array(parts[-size:], np.float32)


def binary_entries(stream: BinaryIO, count: int, size: int) -> Iterator[tuple[str, Vector]]:
    for _ in range(count):
        word = bytearray()
        while (byte := stream.read(1)) != b" ":
            if not byte:
                raise EOFError("it ends within a word")
            word += byte
        vector = np.frombuffer(stream.read(4 * size), "<f4")
        if len(vector) < size:
            raise EOFError("it ends within a vector")
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
