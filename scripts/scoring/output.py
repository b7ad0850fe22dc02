"""Shards of answers, and of what went wrong: each there whole, or not at all."""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow
import pyarrow.parquet

from service.engine.session import Scores

FORMATS = ("parquet", "csv", "jsonl")
UNFINISHED = ".unfinished"


class Refused(Exception):
    """Why a run does not begin or go on, with what to do about it."""


@dataclass(frozen=True)
class Output:
    folder: Path
    format: str
    labels: tuple[str, ...]
    top_k: int

    def shard(self, number: int) -> Path:
        return self.folder / "scores" / f"part-{number:06}.{self.format}"

    def errors(self, number: int) -> Path:
        return self.folder / "errors" / f"part-{number:06}.jsonl"

    def begin(self) -> None:
        for part in ("scores", "errors"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def done(self) -> set[int]:
        """The shards that need not be scored again. Removes what a killed run left half-written."""
        for path in self.folder.rglob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)
        return {int(path.stem.removeprefix("part-")) for path in self.shard(0).parent.glob(f"part-*.{self.format}")}

    def write(
        self,
        number: int,
        ids: Sequence[str],
        best: npt.NDArray[np.intp],
        scores: Scores,
        errors: list[dict[str, Any]],
    ) -> None:
        """N ids, N x top_k indices of labels and their scores. The scores come last: a shard that has them has all.
        Raises Refused."""
        if errors:
            write_whole(self.errors(number), b"".join(orjson.dumps(each) + b"\n" for each in errors))
        else:
            self.errors(number).unlink(missing_ok=True)
        write_whole(self.shard(number), ENCODERS[self.format](self, ids, best, scores))


def write_whole(path: Path, content: bytes) -> None:
    """Raises Refused, having written nothing."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise Refused(
            f"{path} can not be written ({error.strerror}): make room, or mend what is wrong; then the same command "
            "goes on from here, as nothing is half-written"
        ) from None
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def as_parquet(output: Output, ids: Sequence[str], best: npt.NDArray[np.intp], scores: Scores) -> bytes:
    labels = pyarrow.array(output.labels)
    columns = {
        "id": pyarrow.array(ids, pyarrow.string()),
        "label": labels.take(pyarrow.array(best[:, 0])),
        "score": pyarrow.array(scores[:, 0]),
    }
    if output.top_k > 1:
        ends = pyarrow.array(range(0, best.size + 1, output.top_k), pyarrow.int32())
        columns["labels"] = pyarrow.ListArray.from_arrays(ends, labels.take(pyarrow.array(best.ravel())))
        columns["scores"] = pyarrow.ListArray.from_arrays(ends, pyarrow.array(scores.ravel()))
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def as_json_lines(output: Output, ids: Sequence[str], best: npt.NDArray[np.intp], scores: Scores) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in records(output, ids, best, scores))


def as_csv(output: Output, ids: Sequence[str], best: npt.NDArray[np.intp], scores: Scores) -> bytes:
    """Of more than one label the lists are JSON."""
    names = ["id", "label", "score", *(["labels", "scores"] if output.top_k > 1 else [])]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in records(output, ids, best, scores):
        lists = (json.dumps(row[name], ensure_ascii=False) for name in names[3:])
        writer.writerow([row["id"], row["label"], row["score"], *lists])
    return text.getvalue().encode()


def records(output: Output, ids: Sequence[str], best: npt.NDArray[np.intp], scores: Scores) -> list[dict[str, Any]]:
    rows = []
    for id, indices, values in zip(ids, best.tolist(), scores.tolist(), strict=True):
        labels = [output.labels[index] for index in indices]
        more = {"labels": labels, "scores": values} if output.top_k > 1 else {}
        rows.append({"id": id, "label": labels[0], "score": values[0], **more})
    return rows


ENCODERS = {"parquet": as_parquet, "csv": as_csv, "jsonl": as_json_lines}
