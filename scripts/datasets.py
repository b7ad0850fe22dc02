"""Named data sets -> train, validation and test rows: pictures as bytes of pixels, or sentences.

Validation rows choose the epoch and the temperature; test rows are touched once, by evaluation. Where the official test
file is not at hand, a part of the training file is held out in its place, and the name of the split says so.
"""

import gzip
import hashlib
import logging
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.download import ChecksumError, File, is_whole, obtain
from scripts.sources import CIFAR10_MD5, FILES, LICENCES
from scripts.splits import group_duplicates, hold_out
from service.spec import ImageInput, SentenceInput

log = logging.getLogger("maxpool.scripts")
Pixels = npt.NDArray[np.uint8]  # N x H x W x C

DIGITS = tuple("0123456789")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COARSE = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


@dataclass(frozen=True)
class Split:
    name: str
    rows: Any  # Pixels, or a list of sentences
    targets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class DataSet:
    name: str
    labels: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    description: str
    input: ImageInput | SentenceInput  # what the rows were made with
    found: list[str] = field(default_factory=list)  # sentences for people

    @property
    def licence(self) -> str:
        return LICENCES.get(self.name, "that of your data")

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Split -> label -> rows."""
        return {
            part: dict(zip(self.labels, np.bincount(split.targets, minlength=len(self.labels)).tolist(), strict=True))
            for part, split in (("train", self.train), ("validation", self.validation), ("test", self.test))
        }

    @property
    def imbalance(self) -> float:
        """How many times more training rows the most frequent label has than the rarest."""
        counts = np.bincount(self.train.targets, minlength=len(self.labels))
        return float(counts.max() / max(1, counts.min()))

    @property
    def split_sizes(self) -> dict[str, int]:
        return {part: len(getattr(self, part)) for part in ("train", "validation", "test")}


def load(name: str, data_dir: Path | None) -> DataSet:
    """Raises KeyError for an unknown name, ChecksumError, FileNotFoundError."""
    readers = {"mnist": DIGITS, "fashion-mnist": FASHION}
    if name in readers:
        return read_idx_set(name, readers[name], data_dir)
    if name == "cifar10":
        return read_cifar10(data_dir)
    return read_sentences(name, data_dir)


def optional(file: File, data_dir: Path | None) -> Path | None:
    try:
        return obtain(file, data_dir)
    except FileNotFoundError:
        return None


def read_idx_set(name: str, labels: tuple[str, ...], data_dir: Path | None) -> DataSet:
    files = FILES[name]
    pictures = read_idx(obtain(files["train-images-idx3"], data_dir))[..., np.newaxis]
    targets = read_idx(obtain(files["train-labels-idx1"], data_dir)).astype(np.int64)
    test_files = [optional(files[part], data_dir) for part in ("t10k-images-idx3", "t10k-labels-idx1")]
    official = all(test_files)
    if official:
        tested = read_idx(test_files[0])[..., np.newaxis], read_idx(test_files[1]).astype(np.int64)
    held = 0 if official else 5_000
    at = len(targets) - 5_000
    test_name = f"{name} t10k" if official else f"{name} train[{at - held}:{at}], held out"
    return DataSet(
        name,
        labels,
        Split(f"{name} train[0:{at - held}]", pictures[: at - held], targets[: at - held]),
        Split(f"{name} train[{at}:]", pictures[at:], targets[at:]),
        Split(test_name, *(tested if official else (pictures[at - held : at], targets[at - held : at]))),
        f"{name}, official files",
        pictures_as_they_are(pictures),
    )


def pictures_as_they_are(rows: Pixels) -> ImageInput:
    _, height, width, channels = rows.shape
    return ImageInput(
        height=height,
        width=width,
        channels=1 if channels == 1 else 3,
        fit="stretch",
        shorter_side=None,
        background="black",
    )


def read_idx(path: Path | None) -> Pixels:
    """The format of yann.lecun.com: a magic number, the sizes, the bytes."""
    assert path is not None
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = np.frombuffer(data, ">i4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_cifar10(data_dir: Path | None) -> DataSet:
    archive = cifar10_archive(data_dir)
    batches: dict[str, bytes] = {}
    with tarfile.open(archive, "r:*") as members:
        for member in members:
            name = Path(member.name).name
            if name in CIFAR10_MD5 and (stream := members.extractfile(member)):
                batches[name] = stream.read()
                if (found := hashlib.md5(batches[name]).hexdigest()) != CIFAR10_MD5[name]:
                    raise ChecksumError(f"{name} in {archive}: md5 expected {CIFAR10_MD5[name]}, found {found}")
    names = [f"data_batch_{number}.bin" for number in range(1, 6)]
    if missing := set(names) - batches.keys():
        raise FileNotFoundError(f"{archive} has no {', '.join(sorted(missing))}")
    pictures, targets = read_records(b"".join(batches[name] for name in names))
    official = "test_batch.bin" in batches
    at, held = len(targets) - 2_500, 0 if official else 2_500
    test_name = "cifar10 test_batch" if official else f"cifar10 train[{at - held}:{at}], held out"
    tested = (
        read_records(batches["test_batch.bin"]) if official else (pictures[at - held : at], targets[at - held : at])
    )
    return DataSet(
        "cifar10",
        CIFAR10,
        Split(f"cifar10 train[0:{at - held}]", pictures[: at - held], targets[: at - held]),
        Split(f"cifar10 train[{at}:]", pictures[at:], targets[at:]),
        Split(test_name, *tested),
        "CIFAR-10, official batches",
        pictures_as_they_are(pictures),
    )


def cifar10_archive(data_dir: Path | None) -> Path:
    """Of a user's folder any archive of the batches will do: the checksums of the members are what counts."""
    if data_dir is None:
        return obtain(FILES["cifar10"]["archive"], None)
    found = sorted(
        path for folder in (data_dir / "cifar10", data_dir) for path in folder.glob("cifar-10-binary*.tar.*")
    )
    if not found:
        raise FileNotFoundError(f"there is no cifar-10-binary*.tar.* in {data_dir / 'cifar10'} nor in {data_dir}")
    return found[0]


def read_records(data: bytes) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Records of a label byte and 3 x 32 x 32 bytes."""
    records = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures), records[:, 0].astype(np.int64)


def read_lines(path: Path, encoding: str) -> list[str]:
    # splitlines() would cut at byte 0x85, which is an ellipsis in these files
    return [line.decode(encoding).strip() for line in path.read_bytes().split(b"\n") if line.strip()]


def read_sentences(name: str, data_dir: Path | None) -> DataSet:
    files = FILES[name]
    paths = {
        part: optional(file, data_dir) if part == "test" else obtain(file, data_dir) for part, file in files.items()
    }
    description = f"{name}, official files"
    if name in ("mr", "subj"):
        labels: tuple[str, ...] = tuple(files)
        lines = [read_lines(obtain(files[label], data_dir), "cp1252") for label in labels]
        if cut := [p.name for part, p in paths.items() if p and not is_whole(p, files[part])]:
            description = (
                f"{name}, {', '.join(cut)} not the whole public files: {len(lines[0])} + {len(lines[1])} lines"
            )
            log.warning("%s", description)
        rows = [line for lines_of_label in lines for line in lines_of_label]
        targets = np.repeat(np.arange(2), [len(lines[0]), len(lines[1])])
        return split_sentences(name, labels, rows, targets, description, {})
    labels = COARSE if name == "trec" else ("negative", "positive")
    parts = {part: read_labelled(path, name) for part, path in paths.items() if path}
    official = {part: Split(f"{name} {part}", *rows_of) for part, rows_of in parts.items() if part != "train"}
    rows, targets = parts["train"]
    return split_sentences(name, labels, rows, targets, description, official)


def read_labelled(path: Path, name: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """TREC's `COARSE:fine text`, SST's `0|1 text`."""
    pairs = [line.split(" ", 1) for line in read_lines(path, "latin-1" if name == "trec" else "utf-8")]
    label = (lambda word: COARSE.index(word.split(":")[0])) if name == "trec" else int
    return [text for _, text in pairs], np.array([label(word) for word, _ in pairs], np.int64)


def split_sentences(
    name: str,
    labels: tuple[str, ...],
    rows: list[str],
    targets: npt.NDArray[np.int64],
    description: str,
    official: dict[str, Split],
) -> DataSet:
    """What is not official is held out of the rows: 10 % for the test, 5 % of the rest for validation; by one seed."""
    groups = group_duplicates(rows)
    rest = np.arange(len(rows))
    parts = dict(official)
    for part, share in (("test", 0.10), ("validation", 0.05)):
        if part not in official:
            chosen = hold_out(targets, groups, rest, share=share, seed=1_408)
            rest = np.setdiff1d(rest, chosen)
            title = f"{name}, seeded stratified {share:.0%} of the training rows, held out"
            parts[part] = Split(title, [rows[at] for at in chosen], targets[chosen])
    train = Split(f"{name} train, what was not held out", [rows[at] for at in rest], targets[rest])
    given = SentenceInput(max_characters=2000)
    return DataSet(name, labels, train, parts["validation"], parts["test"], description, given)


def data_dir_default() -> Path | None:
    folder = os.environ.get("MAXPOOL_DATA")
    return Path(folder) if folder else None
