"""Those who have keys, and the file that has their digests."""

import hashlib
import json
from pathlib import Path
from typing import Any

KEYS = {"painter": "0" * 20 + " may ask for colours", "monitor": "1" * 20 + " may look", "all": "2" * 20 + " may all"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


PAINTER, MONITOR, ALL = (bearer(key) for key in KEYS.values())


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def entry(name: str, *keys: str, **fields: Any) -> str:
    """A table of the file. What JSON has of strings, numbers and lists, TOML has, too."""
    given = {"digests": [digest(key) for key in keys], **fields}
    return f"[{name}]\n" + "".join(f"{field} = {json.dumps(value)}\n" for field, value in given.items())


def write_keys(file: Path, *more: str) -> Path:
    """By renaming a finished file, as an operator should."""
    entries = [
        entry("painter", KEYS["painter"], models=["colour"]),
        entry("monitor", KEYS["monitor"], models=[]),
        entry("all", KEYS["all"]),
        *more,
    ]
    finished = file.with_suffix(".new")
    finished.write_text("\n".join(entries))
    return finished.rename(file)
