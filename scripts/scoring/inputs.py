"""What was named on the command line -> blocks of rows, and what tells whether it is still the same."""

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.scoring.lines import Lines
from scripts.scoring.pictures import PICTURES, Seen, in_archive, in_folder, walk
from scripts.scoring.rowgroups import RowGroups
from scripts.scoring.shards import Block
from scripts.tables import SUFFIXES, is_table

TABLES = frozenset(SUFFIXES)
EXPECTED = f"a folder or a tar of pictures, or {', '.join(SUFFIXES)} files or a folder of them"


@dataclass(frozen=True)
class Folder:
    path: Path
    name: str


@dataclass(frozen=True)
class Archive:
    path: Path
    name: str


Source = Folder | Archive | Lines | RowGroups


@dataclass(frozen=True)
class Inputs:
    sources: list[Source]

    @classmethod
    def find(cls, given: list[Path], *, column: str | None, id_column: str | None, pictures: bool) -> "Inputs":
        """Raises OSError for what can not be read, ValueError for what is nothing that can be scored."""
        files = [found for path in given for found in files_of(path, pictures=pictures)]
        names = Counter(name for _, name in files)
        sources = list[Source]()
        for path, name in files:
            named = name if names[name] == 1 else str(path)
            if path.is_dir():
                sources.append(Folder(path, named))
                continue
            path.open("rb").close()  # whoever may not read it should know before hours of others
            if not is_table(path):
                sources.append(Archive(path, named))
            else:
                kind = RowGroups if path.suffix.lower() == ".parquet" else Lines
                sources.append(kind(path, named, column=column, id_column=id_column, pictures=pictures))
        if id_column is not None and any(isinstance(each, Folder | Archive) for each in sources):
            raise ValueError("--id names a column: of pictures in a folder or an archive the path is the id")
        return cls(sources)

    def blocks(self, shard_rows: int) -> Iterator[Block]:
        for source in self.sources:
            if isinstance(source, RowGroups):
                yield from source.blocks(shard_rows)
            elif isinstance(source, Lines):
                yield from source.blocks()
            else:
                yield from (in_folder if isinstance(source, Folder) else in_archive)(source.path, source.name)

    def survey(self) -> tuple[str, int]:
        """A digest of the files' names, sizes and times, and the bytes of all. Raises OSError, ValueError."""
        digest, total, files = hashlib.sha256(), 0, 0
        for source in self.sources:
            if isinstance(source, Folder):
                found = walk(source.path, PICTURES)
            else:
                stat = source.path.stat()
                found = iter([Seen(source.path, source.name, stat.st_size, stat.st_mtime_ns)])
            for each in found:
                digest.update(f"{source.name}\0{each.name}\0{each.size}\0{each.modified}\n".encode("utf-8", "replace"))
                total, files = total + each.size, files + 1
        if not files:
            raise ValueError(f"{self.sources[0].path} has no pictures in it: expected {EXPECTED}")
        return digest.hexdigest(), total


def files_of(path: Path, *, pictures: bool) -> Iterator[tuple[Path, str]]:
    """Each with a name. A folder with pictures is one, as is one with none of anything."""
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: expected {EXPECTED}")
    if path.is_dir():
        if pictures and next(walk(path, PICTURES), None):
            yield path, path.name
            return
        tables = [(seen.path, seen.name) for seen in walk(path, TABLES)]
        if not tables:
            raise ValueError(f"{path} has {'no pictures and ' if pictures else ''}no tables in it: expected {EXPECTED}")
        yield from tables
    elif is_table(path) or (pictures and tarfile.is_tarfile(path)):
        yield path, path.name
    else:
        raise ValueError(f"{path} is nothing that can be scored by this model: expected {EXPECTED}")
