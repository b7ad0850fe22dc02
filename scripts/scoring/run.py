"""A run of many hours: what it was begun with, which shards of it are there, and that nobody else writes to it."""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from scripts.scoring.output import Refused, write_whole


@contextmanager
def held_alone(out: Path) -> Iterator[None]:
    """Raises Refused where another run writes to the folder."""
    out.mkdir(parents=True, exist_ok=True)
    lock = os.open(out / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another run writes to {out} now: wait for it, or choose another --out") from None
        yield
    finally:
        os.close(lock)


def begun(out: Path) -> dict[str, Any] | None:
    """What a run in this folder was begun with. Raises Refused for a folder with something else in it."""
    try:
        written: dict[str, Any] = orjson.loads((out / "run.json").read_bytes())
    except FileNotFoundError:
        others = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if others:
            raise Refused(f"{out} has {others[0]} in it and no run: choose an --out that is empty or new") from None
        return None
    except ValueError:
        raise Refused(f"{out}/run.json can not be read: choose another --out, or remove the folder") from None
    return written


def begin(out: Path, asked: dict[str, Any]) -> None:
    write_whole(out / "run.json", orjson.dumps(asked, option=orjson.OPT_INDENT_2))


def check_same(out: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises Refused, naming what is another."""
    other = [name for name in before | now if before.get(name) != now.get(name)]
    if other:
        what = "; ".join(f"{name} was {shown(before.get(name))}, is {shown(now.get(name))}" for name in other)
        raise Refused(
            f"{out} was begun with something else ({what}): run it as it was begun, choose another --out, or remove "
            "the folder"
        )


def shown(value: object) -> str:
    return "not given" if value is None else str(value)[:60]


def summarise(out: Path, *, rows: int, shards: int) -> dict[str, Any]:
    """What the folder holds in the end, counted there; written last."""
    reasons = Counter[str]()
    for path in sorted((out / "errors").glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                told = orjson.loads(line)
                reasons[told["reason"]] += told.get("rows", 1)
    summary = {
        "rows": rows,
        "scored": rows - reasons.total(),
        "errors": reasons.total(),
        "reasons": dict(reasons),
        "shards": shards,
    }
    write_whole(out / "summary.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    return summary
