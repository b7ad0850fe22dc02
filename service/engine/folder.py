"""The models folder, as it is on disk: which versions there are, and whether one has changed."""

import hashlib
import re
from pathlib import Path

from service.spec import NAME, VERSION


def versions(folder: Path) -> list[Path]:
    """<name>/<version> folders, versions in numerical order; other names are left alone, as Triton does."""
    found = [path for path in folder.glob("*/*") if re.match(NAME, path.parent.name) and re.match(VERSION, path.name)]
    return sorted((path for path in found if path.is_dir()), key=lambda path: (path.parent.name, int(path.name)))


def from_there(folder: Path, text: str) -> str:
    """With the paths in it from the folder on: where that is, is nobody's business who asks why a model is refused."""
    return text.replace(f"{folder}/", "")


def fingerprint(folder: Path) -> str:
    """Tells whether any file of a version was written since; no file is read for it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path, path.stat()) for path in files]
    seen = [(str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats]
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Of one file. Raises OSError."""
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}"
