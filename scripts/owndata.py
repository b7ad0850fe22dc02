"""Your own pictures or sentences -> a DataSet, with what was found in them said in plain sentences."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from scripts.assembly import Rows, assemble, known_splits, move_up
from scripts.datasets import DataSet, Split, load
from scripts.findings import counted, listed
from scripts.folders import Example, find_examples
from scripts.hardware import memory_size
from scripts.sources import LICENCES
from scripts.splits import group_duplicates, read_splits
from scripts.tables import Table
from service.errors import InvalidInput
from service.images import MAX_PIXELS, fit, open_picture
from service.sentences import check_sentence
from service.spec import ImageInput, SentenceInput

UNPACKED = Path("data")
MAX_CHARACTERS = 2000
LARGEST = 100_000_000  # pixels of a picture; a service takes fewer, since it is asked by strangers


def read_data(
    source: str, data_dir: Path | None, *, choose: Callable[[list[int]], ImageInput] | None, seed: int
) -> DataSet:
    """A named data set, or a path of your own; pictures as `choose` says by their shorter sides, sentences without it.
    Raises what the readers raise, ValueError for what the net can not take."""
    if source not in LICENCES:
        if not Path(source).exists():
            raise FileNotFoundError(f"there is no {source}: expected a path, or one of {', '.join(LICENCES)}")
        return read_pictures(Path(source), choose, seed=seed) if choose else read_own_sentences(Path(source), seed=seed)
    data = load(source, data_dir)
    if (choose is None) != isinstance(data.input, SentenceInput):
        raise ValueError(f"{source} holds {'pictures' if choose is None else 'sentences'}: choose another net")
    if choose is None or not isinstance(data.input, ImageInput):
        return data
    given = choose([min(data.input.height, data.input.width)])
    same = (given.height, given.width, given.channels) == (data.input.height, data.input.width, data.input.channels)
    return data if same else refit(data, given)


def read_pictures(source: Path, choose: Callable[[list[int]], ImageInput], *, seed: int) -> DataSet:
    """Raises FileNotFoundError, ValueError, also where the pictures would not fit into memory."""
    found = find_examples(source, UNPACKED)
    keep, notes = known_splits([example.split for example in found.examples])
    examples, sides, refused, large = open_all([found.examples[at] for at in keep])
    refused, notes = [*found.refused, *refused], [*found.notes, *notes]
    if large:
        notes.append(
            f"{counted(large, 'picture')} of more than {MAX_PIXELS:,} pixels, which a service refuses unless "
            "MAXPOOL_MAX_PIXELS allows more."
        )
    if not examples:
        raise ValueError(f"{source} has no picture that can be read: {listed(refused, '; ')}")
    given = choose(sides)
    check_memory(len(examples), given, memory_size())
    pixels = np.empty((len(examples), given.height, given.width, given.channels), np.uint8)

    def decode(at: int) -> str | None:
        try:
            pixels[at] = open_picture(examples[at].path.read_bytes(), max_pixels=LARGEST).decode(given)
        except InvalidInput as error:
            return f"{examples[at].name}: {error}"
        return None

    with ThreadPoolExecutor() as threads:
        wrong = list(tqdm(threads.map(decode, range(len(examples))), total=len(examples), desc="pictures"))
    whole = [at for at, reason in enumerate(wrong) if reason is None]
    pixels, examples = move_up(pixels, whole), [examples[at] for at in whole]
    splits, _ = read_splits([example.split for example in examples])
    rows = Rows(
        pixels,
        [example.name for example in examples],
        [example.label for example in examples],
        splits,
        group_duplicates([hashlib.sha256(row.tobytes()).hexdigest() for row in pixels]),
    )
    return assemble(
        source, rows, given, refused=refused + [reason for reason in wrong if reason], notes=notes, seed=seed
    )


def open_all(examples: list[Example]) -> tuple[list[Example], list[int], list[str], int]:
    """Those whose header can be read, their shorter sides in pixels, what is wrong with the others, and how many are
    too large for a service as it is."""

    def size_of(example: Example) -> tuple[int, int] | str:
        try:
            return open_picture(example.path.read_bytes(), max_pixels=LARGEST).image.size
        except (InvalidInput, OSError) as error:
            return f"{example.name}: {error}"

    with ThreadPoolExecutor() as threads:
        sizes = list(threads.map(size_of, examples))
    opened = [example for example, size in zip(examples, sizes, strict=True) if not isinstance(size, str)]
    found = [size for size in sizes if not isinstance(size, str)]
    refused = [size for size in sizes if isinstance(size, str)]
    return opened, [min(size) for size in found], refused, sum(w * h > MAX_PIXELS for w, h in found)


def check_memory(pictures: int, given: ImageInput, memory: int | None) -> None:
    """Raises ValueError where the pixels would take more than half of the memory, in bytes."""
    needed = pictures * given.height * given.width * given.channels
    if memory is not None and needed > memory / 2:
        raise ValueError(
            f"{pictures:,} pictures of {given.height} x {given.width} pixels take {needed / 2**30:.1f} GiB, more than "
            f"half of this machine's {memory / 2**30:.1f}: give fewer pictures or smaller ones, choose a net that "
            "takes smaller ones, or train on a larger machine"
        )


def read_own_sentences(source: Path, *, seed: int) -> DataSet:
    """Raises FileNotFoundError, ValueError."""
    table = Table.read(source)
    keep, notes = known_splits([row.split for row in table.rows])
    given = SentenceInput(max_characters=MAX_CHARACTERS)
    rows, refused, cut = [], list(table.skipped), 0
    for row in (table.rows[at] for at in keep):
        sentence = " ".join(row.input.split())[:MAX_CHARACTERS]
        try:
            rows.append(replace(row, input=check_sentence(sentence, given)))
            cut += len(row.input) > MAX_CHARACTERS
        except InvalidInput as error:
            refused.append(f"{sentence[:30]!r}: {error}")
    if cut:
        notes.append(f"{counted(cut, 'text')} cut to {MAX_CHARACTERS:,} characters, the most that the model will take.")
    sentences = [row.input for row in rows]
    splits, _ = read_splits([row.split for row in rows])
    found = Rows(
        sentences,
        [repr(sentence if len(sentence) <= 40 else sentence[:39] + "…") for sentence in sentences],
        [row.label for row in rows],
        splits,
        group_duplicates(sentences),
    )
    return assemble(
        source, found, given, refused=refused, notes=[*([table.guessed] if table.guessed else []), *notes], seed=seed
    )


def refit(data: DataSet, given: ImageInput) -> DataSet:
    """The pictures as the service would fit files of them, for a net of another size."""
    check_memory(sum(data.split_sizes.values()), given, memory_size())

    def part(split: Split) -> Split:
        mode = "L" if given.channels == 1 else "RGB"
        rows = np.empty((len(split), given.height, given.width, given.channels), np.uint8)
        for at, row in enumerate(split.rows):
            rows[at] = fit(Image.fromarray(row.squeeze()).convert(mode), given)
        return replace(split, rows=rows)

    return replace(data, train=part(data.train), validation=part(data.validation), test=part(data.test), input=given)
