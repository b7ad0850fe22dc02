"""Pictures of your own: a folder per class, perhaps under train/ val/ test/; a zip or tar of it; or a table of path and
label -> examples, of which nothing is decoded yet."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from scripts.archives import unpack
from scripts.findings import counted
from scripts.splits import SPLITS
from scripts.tables import PATHS, Table, is_table

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif"}
EXPECTED = (
    "expected a folder per class with JPEG, PNG, WebP or GIF pictures in it (or train/, val/ and test/ with such "
    "folders in them), a zip or tar of that, or a table with the columns path and label"
)


@dataclass(frozen=True)
class Example:
    path: Path
    label: str
    split: str | None  # train, validation or test, or another word, where the data says so

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class Examples:
    examples: list[Example]
    refused: list[str]  # which inputs are left out, and why
    notes: list[str]  # what else one should know, in sentences


def find_examples(source: Path, unpacked: Path) -> Examples:
    """Archives are unpacked once, into a folder of their own under `unpacked`. Raises FileNotFoundError, ValueError."""
    if not source.exists():
        raise FileNotFoundError(f"there is no {source}: {EXPECTED}")
    found = read_paths(source) if is_table(source) else walk(unpack(source, unpacked) if source.is_file() else source)
    labels = Counter(example.label for example in found.examples)
    if len(labels) < 2:
        counted = f"pictures of one label only, {next(iter(labels))} ({labels.total():,})" if labels else "no pictures"
        told = "".join(f" {note}" for note in (*found.notes, *found.refused[:3]))
        raise ValueError(f"{source} has {counted}: {EXPECTED}; a classifier needs two labels or more.{told}")
    return found


def walk(folder: Path) -> Examples:
    inside = folders_in(folder)
    while len(inside) == 1 and inside[0].name.lower() not in SPLITS and folders_in(inside[0]):
        folder, inside = inside[0], folders_in(inside[0])  # an archive of one folder
    splits = [each for each in inside if each.name.lower() in SPLITS and folders_in(each)]
    if not any(SPLITS[each.name.lower()] == "train" for each in splits):
        splits = []  # classes may be called so, too
    classes: list[tuple[Path, str | None]] = [(label, None) for label in inside]
    if splits:
        classes = [(label, SPLITS[split.name.lower()]) for split in splits for label in folders_in(split)]
    examples = [
        Example(path, label.name, split if len(splits) > 1 else None)
        for label, split in classes
        for path in pictures_in(label)
    ]
    return Examples(examples, [], list(notes_on(folder, inside, splits, [label for label, _ in classes])))


def notes_on(folder: Path, inside: list[Path], splits: list[Path], classes: list[Path]) -> list[str]:
    """What of a folder is not taken."""
    notes = []
    if splits and (unused := [each.name for each in inside if each not in splits]):
        notes.append(f"Beside the folders {', '.join(each.name for each in splits)}, {', '.join(unused)} is not used.")
    if empty := [label.name for label in classes if not pictures_in(label)]:
        notes.append(f"There are no pictures in {', '.join(empty)}.")
    if loose := sum(is_picture(path, folder) for parent in (folder, *splits) for path in parent.iterdir()):
        notes.append(f"{counted(loose, 'picture')} left out, in no label's folder.")
    if tables := sorted(path for path in folder.iterdir() if is_table(path)):
        notes.append(f"There is a table, {tables[0]}: give that as --data where it is what names the labels.")
    others = Counter(
        path.suffix.lower() or path.name
        for label in classes
        for path in label.rglob("*")
        if path.is_file() and not is_hidden(path, label) and path.suffix.lower() not in SUFFIXES
    )
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(5))
        notes.append(f"{counted(others.total(), 'file')} left out, by name no JPEG, PNG, WebP or GIF picture: {kinds}.")
    return notes


def is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__MACOSX", "@eaDir")) for part in path.relative_to(folder).parts)


def is_picture(path: Path, folder: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not is_hidden(path, folder)


def folders_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not is_hidden(each, folder))


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if is_picture(path, folder))


def read_paths(path: Path) -> Examples:
    """A relative path counts from the table's own folder."""
    table = Table.read(path, inputs=PATHS)
    examples, refused = [], list(table.skipped)
    for row in table.rows:
        found = locate(path.parent, row.input)
        if found.is_file():
            examples.append(Example(found, row.label, row.split))
        else:
            refused.append(f"{row.input}: there is no such file")
    if not examples:
        raise FileNotFoundError(
            f"none of the {len(table.rows):,} files that {path} names is there, the first is {table.rows[0].input}: "
            f"relative paths count from the table's own folder, {path.parent}"
        )
    return Examples(examples, refused, [table.guessed] if table.guessed else [])


def locate(folder: Path, written: str) -> Path:
    """Where the file is, if Windows wrote its path, too."""
    path = folder / written
    return path if path.exists() or "\\" not in written else folder / written.replace("\\", "/")
