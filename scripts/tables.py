"""Tables of input and label: CSV, TSV, JSON lines or Parquet -> rows."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
TEXTS = ("text", "sentence", "review", "question", "content", "comment", "document", "title", "input")
LABELS = ("label", "labels", "class", "category", "sentiment", "target", "y", "stars", "rating")
SPLIT = ("split", "set", "fold", "subset")


@dataclass(frozen=True)
class Row:
    input: str  # a sentence, or the path of a picture
    label: str
    split: str | None


@dataclass(frozen=True)
class Table:
    rows: list[Row]
    skipped: list[str]  # which rows were left out, and why

    @classmethod
    def read(cls, path: Path, *, inputs: tuple[str, ...] = TEXTS) -> "Table":
        """`inputs`: what the column of inputs may be called. Raises FileNotFoundError, and ValueError where the columns
        are not to be told."""
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
        if not is_table(path):
            raise ValueError(f"{path.name} is no table that can be read: expected one of {', '.join(sorted(SUFFIXES))}")
        records = list(read_records(path))
        if not records:
            raise ValueError(f"{path} has no rows")
        names = list(records[0])
        given = column(names, inputs, path)
        label = column(names, LABELS, path)
        split = next((name for name in names if name.strip().lower() in SPLIT), None)
        rows, skipped = [], []
        for number, record in enumerate(records, 1):
            text, answer = clean(record.get(given)), clean(record.get(label))
            if text and answer:
                rows.append(Row(text, answer, clean(record.get(split)) or None if split else None))
            else:
                skipped.append(f"row {number} has no {label if text else given}")
        return cls(rows, skipped)


def is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES


def column(names: list[str], known: tuple[str, ...], path: Path) -> str:
    found = [name for wanted in known for name in names if name.strip().lower() == wanted]
    if not found:
        raise ValueError(
            f"{path} has the columns {', '.join(names)}: expected a first line that names one of them "
            f"{' or '.join(known[:3])} (also known: {', '.join(known[3:])})"
        )
    return found[0]


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet  # only those who have such files wait for it

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    elif suffix in (".jsonl", ".ndjson"):
        yield from read_json_lines(path, text_of(path).split("\n"))
    else:
        text = text_of(path)
        csv.field_size_limit(1 << 24)
        delimiter = "\t" if suffix == ".tsv" else delimiter_of(text)
        yield from csv.DictReader(lines_of(text), delimiter=delimiter)


def lines_of(text: str) -> Iterable[str]:
    """str.splitlines would cut quoted fields at signs that end no line of a CSV file."""
    return (line + "\n" for line in text.split("\n"))


def delimiter_of(text: str) -> str:
    """Some locales' spreadsheets write semicolons or tabs into what they call CSV."""
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)


def read_json_lines(path: Path, lines: list[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number} is not JSON ({error})") from None
            if not isinstance(record, dict):
                raise ValueError(f'{path}, line {number} is no object: expected {{"text": …, "label": …}}')
            yield record


def text_of(path: Path) -> str:
    """UTF-8, or where it is not, what Windows' programs in the west write."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def clean(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
