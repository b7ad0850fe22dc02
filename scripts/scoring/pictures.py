"""Pictures in a folder and all below it, or in a tar archive that is read once, from its begin to its end."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.folders import SUFFIXES
from scripts.scoring.gathering import Found, gather
from scripts.scoring.shards import Held, RowsLost, Value
from service.errors import InputTooLarge

LARGEST = 32 * 1024 * 1024  # bytes of an encoded picture, as in a request to the service
HIDDEN = (".", "__MACOSX", "@eaDir")
BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError)  # lzma's and bz2's errors are of these


class Seen(NamedTuple):
    path: Path
    name: str  # from the folder on
    size: int  # bytes
    modified: int  # nanoseconds


def walk(folder: Path, suffixes: frozenset[str], inside: str = "") -> Iterator[Seen]:
    """In the order of names; of one folder at a time the names are held. Raises OSError for a folder that can not be
    read."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith(HIDDEN):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path), suffixes, f"{inside}{entry.name}/")
        elif os.path.splitext(entry.name)[1].lower() in suffixes and entry.is_file():
            stat = entry.stat()
            yield Seen(Path(entry.path), inside + entry.name, stat.st_size, stat.st_mtime_ns)


PICTURES = frozenset(SUFFIXES)


def in_folder(folder: Path, name: str) -> Iterator[Held]:
    """Their names alone: each is read where it is scored."""
    behind = 0

    def rows() -> Iterator[Found]:
        nonlocal behind
        for seen in walk(folder, PICTURES):
            behind += seen.size
            yield Found(None, seen.name, seen.path, seen.size)

    yield from gather(name, "", rows(), behind=lambda: behind)


def in_archive(path: Path, name: str) -> Iterator[Held]:
    """What comes behind a broken place is lost, which is one row's error."""
    with path.open("rb") as stream:
        yield from gather(name, "", members(path, stream), behind=stream.tell)


def members(path: Path, stream: object) -> Iterator[Found]:
    last = "its begin"
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:  # type: ignore[call-overload]
            while (member := archive.next()) is not None:
                archive.members.clear()  # it would keep them all
                if not member.isfile() or not is_picture(member.name):
                    continue
                value: Value
                if member.size > LARGEST:
                    value = too_large(member.size)
                else:
                    opened = archive.extractfile(member)
                    value = opened.read() if opened else None
                    if value is None or len(value) < member.size:
                        raise EOFError("it ends within a file")
                last = member.name
                yield Found(None, member.name, value, member.size)
    except BROKEN as error:
        lost = RowsLost(f"{path} is broken after {last} ({error}), what comes then is lost: fetch or pack it again")
        yield Found(None, f"after {last}", lost, 0)


def is_picture(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    suffix = os.path.splitext(name)[1].lower()
    return suffix in PICTURES and not any(part.startswith(HIDDEN) for part in parts)


def too_large(size: int) -> InputTooLarge:
    return InputTooLarge(f"the file has {size:,} bytes: at most {LARGEST:,}; make it smaller")
