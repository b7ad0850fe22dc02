"""Your own pictures or sentences -> a DataSet, with what was found in them said in plain sentences."""

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from scripts.datasets import DataSet, Split, load
from scripts.folders import SPLITS, Example, find_examples
from scripts.sources import LICENCES
from scripts.splits import group_duplicates, hold_out
from scripts.tables import Table
from service.errors import InvalidInput
from service.images import fit, open_picture
from service.sentences import check_sentence
from service.spec import ImageInput, SentenceInput

UNPACKED = Path("data")
MAX_CHARACTERS = 2000
NAMED = 10  # so many names of files are listed


def read_pictures(source: Path, choose: Callable[[list[int]], ImageInput], *, seed: int) -> DataSet:
    """`choose` says what the net gets, by the shorter sides of all pictures. Raises FileNotFoundError, ValueError."""
    examples, sides, refused = open_all(find_examples(source, UNPACKED))
    if len({example.label for example in examples}) < 2:
        raise ValueError(
            f"{source} has pictures of fewer than two labels that can be read: {'; '.join(refused[:NAMED])}"
        )
    given = choose(sides)
    rows = np.empty((len(examples), given.height, given.width, given.channels), np.uint8)
    kept = np.zeros(len(examples), bool)

    def decode(at: int) -> str | None:
        try:
            rows[at] = open_picture(examples[at].path.read_bytes()).decode(given)
        except InvalidInput as error:
            return f"{examples[at].path.name}: {error}"
        kept[at] = True
        return None

    with ThreadPoolExecutor() as threads:
        progress = tqdm(threads.map(decode, range(len(examples))), total=len(examples), desc="pictures")
        refused += [reason for reason in progress if reason]
    if not kept.all():
        rows, examples = rows[kept], [example for example, keep in zip(examples, kept, strict=True) if keep]
    groups = group_duplicates([hashlib.sha256(row.tobytes()).hexdigest() for row in rows])
    labels = [example.label for example in examples]
    splits = [example.split for example in examples]
    return assemble(source, rows, labels, splits, groups, given, refused, seed)


def open_all(examples: list[Example]) -> tuple[list[Example], list[int], list[str]]:
    """Those whose header can be read, their shorter sides in pixels, and what is wrong with the others."""
    opened, sides, refused = [], [], []
    for example in examples:
        try:
            size = open_picture(example.path.read_bytes()).image.size
        except (InvalidInput, OSError) as error:
            refused.append(f"{example.path.name}: {error}")
            continue
        opened.append(example)
        sides.append(min(size))
    return opened, sides, refused


def read_own_sentences(source: Path, *, seed: int) -> DataSet:
    """Raises FileNotFoundError, ValueError."""
    table = Table.read(source)
    given = SentenceInput(max_characters=MAX_CHARACTERS)
    rows, refused = [], list(table.skipped)
    for row in table.rows:
        try:
            check_sentence(row.input[:MAX_CHARACTERS], given)
            rows.append(row)
        except InvalidInput as error:
            refused.append(f"{row.input[:30]!r}: {error}")
    sentences = [row.input[:MAX_CHARACTERS] for row in rows]
    cut = sum(len(row.input) > MAX_CHARACTERS for row in rows)
    splits = [SPLITS.get((row.split or "").strip().lower()) for row in rows]
    data = assemble(
        source, sentences, [row.label for row in rows], splits, group_duplicates(sentences), given, refused, seed
    )
    if cut:
        data.found.append(f"{cut} texts are longer than {MAX_CHARACTERS:,} characters: only their beginnings are used")
    return data


def assemble(
    source: Path,
    rows: Any,
    labels_of_rows: list[str],
    splits: list[str | None],
    groups: npt.NDArray[np.int64],
    given: ImageInput | SentenceInput,
    refused: list[str],
    seed: int,
) -> DataSet:
    labels = tuple(sorted(set(labels_of_rows), key=natural))
    if len(labels) < 2:
        raise ValueError(f"{source} has {len(labels_of_rows)} rows of one label: a classifier needs two labels or more")
    numbers = {label: at for at, label in enumerate(labels)}
    targets = np.array([numbers[label] for label in labels_of_rows], np.int64)
    parts = split_rows(targets, groups, splits, seed)
    if missing := set(range(len(labels))) - set(targets[parts["train"]].tolist()):
        raise ValueError(
            f"no training row has the label {', '.join(labels[at] for at in sorted(missing))}: every label needs some"
        )

    def part(name: str) -> Split:
        at = parts[name]
        how = "as given" if name in splits else f"held out by seed {seed}"
        return Split(f"{source.name} {name}, {how}", take(rows, at), targets[at])

    found = describe(labels, targets, groups, parts, splits, refused)
    description = f"{source.name}, {len(targets):,} rows of {len(labels)} labels"
    return DataSet(source.name, labels, part("train"), part("validation"), part("test"), description, given, found)


def take(rows: Any, at: npt.NDArray[np.int64]) -> Any:
    return [rows[each] for each in at] if isinstance(rows, list) else rows[at]


def natural(label: str) -> tuple[int, float, str]:
    """2 before 10, numbers before words."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def split_rows(
    targets: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], splits: list[str | None], seed: int
) -> dict[str, npt.NDArray[np.int64]]:
    """What the data does not say is held out: 15 % for the test, 15 % of the rest for validation (10 % from 5,000 rows
    on), stratified, twins together."""
    said = {
        name: np.array([at for at, split in enumerate(splits) if split == name], np.int64) for name in SPLITS.values()
    }
    parts = {name: at for name, at in said.items() if len(at) and name != "train"}
    rest = np.setdiff1d(np.arange(len(targets)), np.concatenate([np.empty(0, np.int64), *parts.values()]))
    share = 0.15 if len(rest) < 5_000 else 0.10
    for name in ("test", "validation"):
        if name not in parts:
            parts[name] = hold_out(targets, groups, rest, share=share, seed=seed)
            rest = np.setdiff1d(rest, parts[name])
    return {**parts, "train": rest}


def describe(
    labels: tuple[str, ...],
    targets: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    parts: dict[str, npt.NDArray[np.int64]],
    splits: list[str | None],
    refused: list[str],
) -> list[str]:
    counts = Counter(targets.tolist())
    (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
    sizes = ", ".join(f"{len(parts[name]):,} for {name}" for name in ("train", "validation", "test"))
    how = "as the data says" if any(splits) else "split by seed, each label in the same shares"
    found = [f"{len(targets):,} rows of {len(labels)} labels: {sizes} ({how})."]
    if many > few:
        found.append(
            f"The most frequent label, {labels[most]}, has {many:,} rows, the rarest, {labels[least]}, has {few:,}"
            + (
                f": {many / few:.1f} times fewer, so rare labels' rows weigh more in training."
                if many > 2 * few
                else "."
            )
        )
    if few < 10:
        found.append(f"{few} rows are too few to learn {labels[least]} from, or to tell how well it is known.")
    twins = len(groups) - len(np.unique(groups))
    if twins:
        found.append(f"{twins:,} rows are copies of others; copies that were split by seed stay on one side.")
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if shared := int(np.isin(groups[parts[other]], groups[parts[one]]).sum()):
            found.append(
                f"{shared:,} of the {len(parts[other]):,} {other} rows are also in {one}: its accuracy flatters."
            )
    pairs = {(group, target) for group, target in zip(groups.tolist(), targets.tolist(), strict=True)}
    if torn := len(pairs) - len(np.unique(groups)):
        found.append(f"{torn:,} rows are there twice with different labels: one of each pair is wrong.")
    if refused:
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        found.append(f"{len(refused):,} inputs could not be read and are left out: {'; '.join(refused[:NAMED])}{more}.")
    return found


def read_data(
    source: str, data_dir: Path | None, *, choose: Callable[[list[int]], ImageInput] | None, seed: int
) -> DataSet:
    """A named data set, or a path of your own; pictures as `choose` says, sentences without it. Raises KeyError for a
    name that is neither, and what the readers raise."""
    if source not in LICENCES:
        return read_pictures(Path(source), choose, seed=seed) if choose else read_own_sentences(Path(source), seed=seed)
    data = load(source, data_dir)
    if (choose is None) != isinstance(data.input, SentenceInput):
        raise ValueError(f"{source} holds {'pictures' if choose is None else 'sentences'}: choose another net")
    if choose is None or not isinstance(data.input, ImageInput):
        return data
    given = choose([min(data.input.height, data.input.width)])
    same = (given.height, given.width, given.channels) == (data.input.height, data.input.width, data.input.channels)
    return data if same else refit(data, given)


def refit(data: DataSet, given: ImageInput) -> DataSet:
    """The pictures as the service would fit files of them, for a net of another size."""

    def part(split: Split) -> Split:
        mode = "L" if given.channels == 1 else "RGB"
        rows = np.stack([fit(Image.fromarray(row.squeeze()).convert(mode), given) for row in split.rows])
        return replace(split, rows=rows)

    return replace(data, train=part(data.train), validation=part(data.validation), test=part(data.test), input=given)
