"""Rows of a CSV, TSV or JSON lines file, as they come: sentences, or the paths of pictures."""

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from scripts.folders import locate
from scripts.scoring.columns import choose_column, require_column
from scripts.scoring.gathering import Found, gather
from scripts.scoring.shards import Held, Value
from scripts.tables import delimiter_of, is_delimited
from service.errors import InputTooLarge, InvalidInput

LONGEST = 1 << 24  # characters of a field, bytes of a line
HEAD = 1 << 16
FIRST = 100  # rows, of which the keys are columns


class Lines:
    def __init__(self, path: Path, name: str, *, column: str | None, id_column: str | None, pictures: bool) -> None:
        """Raises ValueError where the column is not there, naming those that are."""
        self.path, self.name, self.pictures = path, name, pictures
        with path.open("rb") as stream:
            names = self._names(stream)
        self.column = choose_column(path, names, column, pictures=pictures)
        self.id_column = require_column(path, names, id_column)

    def _names(self, stream: BinaryIO) -> list[str]:
        if is_delimited(self.path):
            names: list[str] = next(records(stream, self.path), (0, []))[1]
        else:
            first = itertools.islice(objects(stream), FIRST)
            names = list(dict.fromkeys(key for _, row in first if isinstance(row, dict) for key in row))
        if not names:
            raise ValueError(f"{self.path} has no rows and names no columns: expected a first line, or JSON objects")
        return names

    def blocks(self) -> Iterator[Held]:
        with self.path.open("rb") as stream:
            yield from gather(self.name, "line", self._rows(stream), behind=stream.tell)

    def _rows(self, stream: BinaryIO) -> Iterator[Found]:
        for number, row in self._table(stream) if is_delimited(self.path) else objects(stream):
            named = f"{self.name}:{number}"
            if isinstance(row, InvalidInput):
                yield Found(number, named, row, 0)
                continue
            if self.id_column is not None and row.get(self.id_column) is not None:
                named = str(row[self.id_column])
            value = self._value(row.get(self.column))
            yield Found(number, named, value, len(value) if isinstance(value, bytes) else 0)

    def _table(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        rows = records(stream, self.path)
        names = next(rows)[1]
        for number, fields in rows:
            if isinstance(fields, InvalidInput):
                yield number, fields
            elif len(fields) > len(names):
                yield (
                    number,
                    InvalidInput(
                        f"the line has {len(fields)} fields, the first line {len(names)}: a text with a "
                        "delimiter in it belongs in quotes"
                    ),
                )
            else:
                yield number, dict(zip(names, fields, strict=False))

    def _value(self, given: Any) -> Value:
        if given is None:
            return None
        if not isinstance(given, str):
            return InvalidInput(f"{self.column} is a {type(given).__name__}: expected text")
        if self.pictures:
            return locate(self.path.parent, given) if given else None
        return given.encode("utf-8", "surrogateescape")  # the bytes as they are, for whoever decodes them to judge


def records(stream: BinaryIO, path: Path) -> Iterator[tuple[int, Any]]:
    """The number of the line each begins at, and its fields or what is wrong with it. Raises ValueError for a first
    line that is none."""
    csv.field_size_limit(LONGEST)
    head = stream.read(HEAD)
    stream.seek(0)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    coding = "utf-16" if wide else "utf-8-sig"
    text = io.TextIOWrapper(stream, coding, "replace" if wide else "surrogateescape", newline="")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else delimiter_of(head.decode(coding, "replace"))
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        first = True
        while True:
            number = reader.line_num + 1
            try:
                fields: Any = next(reader)
            except StopIteration:
                return
            except csv.Error as error:  # the reader goes on with the next line
                if first:
                    raise ValueError(f"{path} is no CSV file: its first line can not be read ({error})") from None
                end = f" to {reader.line_num}" if reader.line_num > number else ""
                fields = InvalidInput(f"line {number}{end} is no CSV ({error}): put each quote in quotes, twice")
            if fields:
                first = False
                yield number, fields
    finally:
        text.detach()


def objects(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    """The number of each line with something in it, and its object or what is wrong with it."""
    for number in itertools.count(1):
        line = stream.readline(LONGEST)
        if not line:
            return
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (more := stream.readline(LONGEST)) and not more.endswith(b"\n"):
                pass
            yield number, InputTooLarge(f"the line has more than {LONGEST:,} bytes")
            continue
        if not line.strip():
            continue
        try:
            row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except ValueError as error:
            yield number, InvalidInput(f"the line is not JSON: {error}")
            continue
        yield number, row if isinstance(row, dict) else InvalidInput("the line is no JSON object")
