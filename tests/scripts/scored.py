"""Inputs of the tests of scripts.score, and what it wrote of them."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from scripts.score import main
from tests.conftest import ROOT, plain

HUES = {"red": "red", "lime": "green", "blue": "blue"}  # Pillow's name -> the label of the model `colour`


def pictures(n: int) -> dict[str, bytes]:
    """Name -> a PNG of one colour, of a size of its own."""
    hues = list(HUES)
    return {f"{hues[at % 3]}-{at:03}.png": plain(hues[at % 3], (8 + at % 5, 9)) for at in range(n)}


def sentences(n: int) -> list[str]:
    words = random.Random(5)
    return [" ".join(["word"] * words.randint(1, 7)) for _ in range(n)]


def hue(name: str) -> str:
    return HUES[name.rsplit("/")[-1].split("-")[0]]


def length(sentence: str) -> str:
    return "long" if len(sentence.split()) > 3 else "short"


def write_parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def score(model: Path, *inputs: Path, out: Path, **options: Any) -> int:
    """In this process, unless `processes` says how many."""
    return main(arguments(model, *inputs, out=out, **{"processes": 1, **options}))


def arguments(model: Path, *inputs: Path, out: Path, **options: Any) -> list[str]:
    named = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [str(model), *map(str, inputs), "--out", str(out), *named]


def command(*given: Any, **options: Any) -> list[str]:
    return [sys.executable, "-m", "scripts.score", *arguments(*given, **options)]


def run(*given: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*given, **options), cwd=ROOT, capture_output=True, text=True)


def rows(out: Path) -> list[dict[str, Any]]:
    """Of all shards, in their order."""
    found = []
    for path in sorted((out / "scores").iterdir()):
        if path.suffix == ".parquet":
            found += pyarrow.parquet.read_table(path).to_pylist()
        elif path.suffix == ".jsonl":
            found += [json.loads(line) for line in path.read_text().splitlines()]
        else:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    lists = {name: json.loads(row[name]) for name in ("labels", "scores") if name in row}
                    found.append({**row, **lists, "score": float(row["score"])})
    return found


def labels(out: Path) -> dict[str, str]:
    found = rows(out)
    assert len({row["id"] for row in found}) == len(found), "an id twice"
    return {row["id"]: row["label"] for row in found}


def errors(out: Path) -> list[dict[str, Any]]:
    shards = sorted((out / "errors").iterdir())
    return [json.loads(line) for path in shards for line in path.read_text().splitlines()]


def summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return found


def state(out: Path) -> dict[str, tuple[bytes, int]]:
    """Of each shard its bytes and when it was written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (out / "scores").iterdir()}
