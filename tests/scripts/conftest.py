"""Small data sets in the files' own formats: bars and blobs for MNIST, made-up questions for TREC. A web server."""

import functools
import gzip
import http.server
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from scripts.datasets import CIFAR10, DIGITS, DataSet, Split
from service.spec import ImageInput

DIGIT_INPUT = ImageInput(height=28, width=28, channels=1, fit="stretch", background="black")
COLOUR_INPUT = ImageInput(height=32, width=32, channels=3, fit="stretch", background="black")


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
    return DataSet("mnist", DIGITS, *parts, "tiny bars", DIGIT_INPUT)


def tiny_colours() -> DataSet:
    """The bars again, in colour and 32 x 32."""
    parts = []
    for seed, (part, n) in enumerate((("train", 400), ("validation", 100), ("test", 100))):
        pictures, targets = tiny_pictures(n, seed)
        coloured = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0))).repeat(3, axis=3)
        parts.append(Split(f"tiny {part}", coloured, targets))
    return DataSet("cifar10", CIFAR10, *parts, "tiny bars", COLOUR_INPUT)


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


@dataclass
class Web:
    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)  # the paths, in order


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A web server of a folder's files."""
    (tmp_path / "web").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            site.asked.append(self.path)

        def log_error(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site = Web(tmp_path / "web", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()
