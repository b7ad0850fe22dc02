"""Pictures of your own: a folder per class, perhaps under train/ val/ test/; a zip or tar of it; or a table of path and
label -> examples, of which nothing is decoded yet."""

import hashlib
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from scripts.tables import Table, is_table

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}
EXPECTED = (
    "expected a folder per class with JPEG, PNG, WebP or GIF pictures in it (or train/, val/ and test/ with such "
    "folders in them), a zip or tar of that, or a table with the columns path and label"
)


@dataclass(frozen=True)
class Example:
    path: Path
    label: str
    split: str | None  # train, validation or test, where the data says so


def find_examples(source: Path, unpacked: Path) -> list[Example]:
    """Archives are unpacked once, into a folder of their own under `unpacked`. Raises FileNotFoundError, ValueError."""
    if not source.exists():
        raise FileNotFoundError(f"there is no {source}: {EXPECTED}")
    if is_table(source):
        examples = read_paths(source)
    else:
        examples = walk(unpack(source, unpacked) if source.is_file() else source)
    if len({example.label for example in examples}) < 2:
        found = f"{len(examples)} pictures with {len({example.label for example in examples})} labels"
        raise ValueError(f"{source} has {found}: {EXPECTED}; a classifier needs two labels or more")
    return examples


def unpack(archive: Path, unpacked: Path) -> Path:
    digest = hashlib.sha256()
    with archive.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    folder = unpacked / f"{archive.name.split('.')[0]}-{digest.hexdigest()[:8]}"
    if folder.exists():
        return folder
    fresh = folder.with_name(folder.name + ".part")
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(fresh)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            tarred.extractall(fresh, filter="data")  # nothing outside the folder, no devices, no links out of it
    else:
        raise ValueError(f"{archive} is neither zip nor tar: {EXPECTED}")
    fresh.rename(folder)
    return folder


def walk(folder: Path) -> list[Example]:
    inside = folders_in(folder)
    if len(inside) == 1 and inside[0].name.lower() not in SPLITS:
        return walk(inside[0])  # an archive of one folder
    splits = [(each, SPLITS[each.name.lower()]) for each in inside if each.name.lower() in SPLITS]
    if splits and len(splits) == len(inside):
        return [
            Example(path, label.name, split if len(splits) > 1 else None)
            for folder_of_split, split in splits
            for label in folders_in(folder_of_split)
            for path in pictures_in(label)
        ]
    return [Example(path, label.name, None) for label in inside for path in pictures_in(label)]


def folders_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith((".", "__MACOSX")))


def pictures_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def read_paths(path: Path) -> list[Example]:
    """A relative path counts from the table's own folder."""
    table = Table.read(path, inputs=("path", "file", "filename", "file_name", "image", "picture"))
    return [Example(path.parent / row.input, row.label, SPLITS.get((row.split or "").lower())) for row in table.rows]
