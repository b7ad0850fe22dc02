"""Tables of input and label: CSV, TSV, JSON lines or Parquet -> rows."""

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
TEXTS = ("text", "sentence", "review", "question", "content", "comment", "document", "message", "tweet", "title")
PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "picture", "img")
LABELS = ("label", "labels", "class", "category", "sentiment", "target", "y", "stars", "rating", "topic", "intent")
SPLIT = ("split", "set", "fold", "subset")

Record = dict[str, Any]
Numbered = list[tuple[str, Record]]  # "line 3", and what is in it


@dataclass(frozen=True)
class Row:
    input: str  # a sentence, or the path of a picture
    label: str
    split: str | None


@dataclass(frozen=True)
class Columns:
    input: str
    label: str
    split: str | None


@dataclass(frozen=True)
class Table:
    rows: list[Row]
    skipped: list[str]  # which rows were left out, and why
    guessed: str | None  # in a sentence, how the columns were told where no name told them

    @classmethod
    def read(cls, path: Path, *, inputs: tuple[str, ...] = TEXTS) -> "Table":
        """`inputs`: what the column of inputs may be called. Raises FileNotFoundError, and ValueError where the file is
        none of the formats or the columns are not to be told."""
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}: expected a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
        if not is_table(path):
            raise ValueError(f"{path} is no table that can be read: expected one of {', '.join(SUFFIXES)}")
        records, skipped = read_records(path)
        if not records:
            raise ValueError(f"{path} has no rows{': ' if skipped else ''}{'; '.join(skipped[:3])}")
        columns, guessed, titled = tell_columns(path, [record for _, record in records], inputs)
        if not titled:
            records.insert(0, ("line 1", {name: name for name in (columns.input, columns.label)}))
        rows = []
        for where, record in records:
            given, label = (scalar(record.get(name), where, name) for name in (columns.input, columns.label))
            split = scalar(record.get(columns.split), where, columns.split) if columns.split else ""
            if given and label:
                rows.append(Row(given, label, split or None))
            else:
                lacks = (columns.label if given else columns.input) if titled else LABELS[0] if given else inputs[0]
                skipped.append(f"{where} has no {lacks}")
        if not rows:
            raise ValueError(f"{path} has no row with {columns.input} and {columns.label}: {'; '.join(skipped[:3])}")
        return cls(rows, skipped, guessed)


def is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES


def tell_columns(path: Path, records: list[Record], inputs: tuple[str, ...]) -> tuple[Columns, str | None, bool]:
    """By their names; of two columns without known names by their values. Also a sentence where it was a guess, and
    whether the first line names columns: else it is a row like the others."""
    names = list(dict.fromkeys(name for record in records for name in record if name))
    given, label = known(names, inputs), known(names, LABELS)
    if given and label:
        return Columns(given, label, known(names, SPLIT)), None, True
    if len(names) != 2 or known(names, TEXTS if inputs == PATHS else PATHS):
        raise ValueError(
            f"{path} has the columns {', '.join(names)}: expected a first line that names one of them "
            f"{' or '.join(inputs[:3])} and one {' or '.join(LABELS[:3])} (also known: "
            f"{', '.join((*inputs[3:], *LABELS[3:]))})"
        )
    titled = True
    if not given and not label:
        label = label_by_values(path, names, records, inputs)
        titled = not is_delimited(path) or label not in {record.get(label) for record in records}
    given = given or next(name for name in names if name != label)
    label = label or next(name for name in names if name != given)
    order = f"{inputs[0]} and label" if names[0] == given else f"label and {inputs[0]}"
    guessed = f"{given!r} was taken for the {inputs[0]}, {label!r} for the label."
    if not titled:
        guessed = f"The first line names no columns: every line was taken for {order}."
    return Columns(given, label, None), guessed, titled


def label_by_values(path: Path, names: list[str], records: list[Record], inputs: tuple[str, ...]) -> str:
    """A label comes again and again, an input does not."""
    distinct = [len({str(record.get(name)) for record in records}) for name in names]
    if distinct[0] == distinct[1] or min(distinct) > len(records) / 2:
        raise ValueError(
            f"{path} has two columns, {' and '.join(names)}, and neither their names nor their values tell which is "
            f"the label: let the first line name them {inputs[0]} and {LABELS[0]}"
        )
    return names[distinct.index(min(distinct))]


def known(names: list[str], wanted: tuple[str, ...]) -> str | None:
    return next((name for each in wanted for name in names if name.strip().lower() == each), None)


def is_delimited(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv")


def read_records(path: Path) -> tuple[Numbered, list[str]]:
    """The rows with where they stand, and what is wrong with those that are none."""
    if is_delimited(path):
        return read_delimited(path)
    return read_parquet(path) if path.suffix.lower() == ".parquet" else read_json_lines(path)


def read_delimited(path: Path) -> tuple[Numbered, list[str]]:
    text = text_of(path)
    csv.field_size_limit(1 << 24)
    if path.suffix.lower() == ".csv":
        delimiter = delimiter_of(text)
        try:
            lines = split_lines(text, delimiter, csv.QUOTE_MINIMAL)
        except csv.Error as error:
            raise ValueError(
                f"{path} is no CSV file from some line on ({error}): put a text that holds a {delimiter!r}, a quote or "
                "a line break into quotes, and write each quote within it twice"
            ) from None
    else:
        delimiter = "\t"
        try:
            lines = split_lines(text, delimiter, csv.QUOTE_MINIMAL)
        except csv.Error:  # many write tabs between texts as they are, quotes and all
            lines = split_lines(text, delimiter, csv.QUOTE_NONE)
    names = lines[0][1] if lines else []
    records, skipped = [], []
    for number, fields in lines[1:]:
        if len(fields) > len(names):
            skipped.append(
                f"line {number} has {len(fields)} fields, the first line {len(names)} (a text that holds a "
                f"{delimiter!r} belongs in quotes)"
            )
        else:
            records.append((f"line {number}", dict(zip(names, fields, strict=False))))
    return records, skipped


def split_lines(text: str, delimiter: str, quoting: Any) -> list[tuple[int, list[str]]]:
    """The fields of each line that has some, and the number of the line it begins at."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    lines, before = [], 0
    for fields in reader:
        if any(field.strip() for field in fields):
            lines.append((before + 1, fields))
        before = reader.line_num
    return lines


def delimiter_of(text: str) -> str:
    """Some locales' spreadsheets write semicolons or tabs into what they call CSV."""
    head = text.lstrip().split("\n", 1)[0]
    return max(",;\t", key=head.count)


def read_json_lines(path: Path) -> tuple[Numbered, list[str]]:
    records, skipped = [], []
    for number, line in enumerate(text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            skipped.append(f"line {number} is not JSON ({error})")
            continue
        if isinstance(record, dict):
            records.append((f"line {number}", record))
        else:
            skipped.append(f'line {number} is no object: expected {{"text": …, "label": …}}')
    return records, skipped


def read_parquet(path: Path) -> tuple[Numbered, list[str]]:
    import pyarrow  # only those who have such files wait for it
    import pyarrow.parquet

    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path} can not be read as Parquet: {str(error).splitlines()[0]}") from None
    return [(f"row {number}", record) for number, record in enumerate(records, 1)], []


def text_of(path: Path) -> str:
    """UTF-8, or where it is not, what Windows' programs in the west write."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def scalar(value: Any, where: str, name: str) -> str:
    """As text without the space around it; nothing for nothing. Raises ValueError for a list or an object."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | dict):
        raise ValueError(f"{where}: {name} is a {type(value).__name__}, expected one text or number: {str(value)[:60]}")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # whole numbers become floats beside a missing one
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
