"""Which column of a table has the inputs."""

from collections.abc import Sequence
from pathlib import Path

from scripts.tables import PATHS, TEXTS, known

BYTES = ("image", "bytes", "image_bytes", "png", "jpeg", "jpg", "webp", "picture", "img", "content")


def choose_column(path: Path, names: Sequence[str], column: str | None, *, pictures: bool) -> str:
    """By its name. Raises ValueError, naming those there are."""
    if column is not None:
        require_column(path, names, column)
        return column
    usual = (*BYTES, *PATHS) if pictures else TEXTS
    found = known(list(names), usual)
    if found is None:
        raise ValueError(
            f"{path} has the columns {', '.join(names)}, of which none is called {', '.join(usual[:4])} or the like: "
            "say which it is with --column"
        )
    return found


def require_column(path: Path, names: Sequence[str], column: str | None) -> str | None:
    if column is not None and column not in names:
        raise ValueError(f"{path} has no column {column!r}: it has {', '.join(names)}")
    return column
