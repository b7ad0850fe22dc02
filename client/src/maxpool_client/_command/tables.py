"""Answers as a table, as JSON or CSV a line each, or as a Parquet file."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any

from maxpool_client._types import Prediction, Refused

FORMATS = ("table", "jsonl", "csv", "parquet")
Write = Callable[[str, Prediction | Refused], None]
COLUMNS = ("input", "label", "index", "score", "top", "model", "version", "error", "code")
WIDEST_INPUT = 60
NARROWEST_INPUT, NARROWEST_LABEL = 24, 12  # a table is written as it comes, so its columns can only grow
GROUP_ROWS = 4096  # of Parquet, held at a time
DIM, RED, BOLD, RESET = "\x1b[2m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


@contextmanager
def writer(format: str, out: str | None) -> Iterator[Write]:
    """Raises ValueError for a format that can not be written here."""
    if format == "parquet":
        if out is None:
            raise ValueError("Parquet is no text: name a file for it with --out")
        with parquet(out) as write:
            yield write
    elif out is None:
        yield WRITERS[format](sys.stdout)
    else:
        with open(out, "w", encoding="utf-8", newline="") as file:
            yield WRITERS[format](file)


def table(file: IO[str]) -> Write:
    coloured = in_colour(file)
    widths = [NARROWEST_INPUT, NARROWEST_LABEL]

    def write(given: str, answer: Prediction | Refused) -> None:
        name = shortened(given)
        widths[0] = max(widths[0], len(name))
        if isinstance(answer, Refused):
            code = f" ({answer.code})" if answer.code else ""
            text = paint(f"refused{code}: {answer.error}", RED, coloured)
        else:
            widths[1] = max(widths[1], *(len(score.label) for score in answer.top))
            cells = [
                paint(f"{score.label:{widths[1]}}", "" if place else BOLD, coloured)
                + paint(f"  {score.score:.3f}", DIM, coloured)
                for place, score in enumerate(answer.top)
            ]
            text = "  ".join(cells)
        file.write(f"{name:{widths[0]}}  {text}\n")
        file.flush()

    return write


def jsonl(file: IO[str]) -> Write:
    def write(given: str, answer: Prediction | Refused) -> None:
        shown = {name: value for name, value in record(given, answer).items() if value is not None}
        file.write(json.dumps(shown, ensure_ascii=False) + "\n")

    return write


def comma_separated(file: IO[str]) -> Write:
    rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    rows.writeheader()

    def write(given: str, answer: Prediction | Refused) -> None:
        cells = record(given, answer)
        rows.writerow({**cells, "top": json.dumps(cells["top"], ensure_ascii=False) if cells["top"] else None})

    return write


WRITERS: dict[str, Callable[[IO[str]], Write]] = {"table": table, "jsonl": jsonl, "csv": comma_separated}


@contextmanager
def parquet(out: str) -> Iterator[Write]:
    try:
        import pyarrow
        from pyarrow import parquet as files
    except ModuleNotFoundError:
        raise ValueError("Parquet needs pyarrow: pip install 'maxpool-client[parquet]'") from None
    score = pyarrow.struct({"label": pyarrow.string(), "index": pyarrow.int32(), "score": pyarrow.float64()})
    schema = pyarrow.schema(
        {
            "input": pyarrow.string(),
            "label": pyarrow.string(),
            "index": pyarrow.int32(),
            "score": pyarrow.float64(),
            "top": pyarrow.list_(score),
            "model": pyarrow.string(),
            "version": pyarrow.string(),
            "error": pyarrow.string(),
            "code": pyarrow.int32(),
        }
    )
    held: list[dict[str, Any]] = []
    with files.ParquetWriter(out, schema) as file:

        def write(given: str, answer: Prediction | Refused) -> None:
            held.append(record(given, answer))
            if len(held) == GROUP_ROWS:
                write_group()

        def write_group() -> None:
            if held:
                file.write_table(pyarrow.Table.from_pylist(held, schema))
                held.clear()

        yield write
        write_group()


def record(given: str, answer: Prediction | Refused) -> dict[str, Any]:
    cells: dict[str, Any] = dict.fromkeys(COLUMNS)
    cells["input"] = given
    if isinstance(answer, Refused):
        return cells | {"error": answer.error, "code": answer.code}
    return cells | {
        "label": answer.label,
        "index": answer.index,
        "score": answer.score,
        "top": [asdict(score) for score in answer.top],
        "model": answer.model,
        "version": answer.version,
    }


def shortened(given: str) -> str:
    line = " ".join(given.split())
    return line if len(line) <= WIDEST_INPUT else f"{line[: WIDEST_INPUT - 1]}…"


def in_colour(file: IO[str]) -> bool:
    """On a terminal, and not where NO_COLOR is set (no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, coloured: bool) -> str:
    return f"{colour}{text}{RESET}" if coloured and colour else text
