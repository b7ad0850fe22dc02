"""What a worker is given. Rows come in blocks of one file, blocks in shards; where shards end follows from the input
and the options alone, so that a run that was killed cuts the same ones again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.errors import InvalidInput

SHARD_BYTES = 64 * 1024 * 1024  # of inputs, where rows are large; what a worker holds
BLOCK_ROWS, BLOCK_BYTES = 512, 4 * 1024 * 1024  # of what is read as it comes

# An encoded picture or a sentence in UTF-8, a picture's file, a null, or what is wrong with the row already.
Value = bytes | Path | None | InvalidInput


class RowsLost(InvalidInput):
    """Rows that nobody can tell apart any more."""

    def __init__(self, message: str, *, rows: int = 1) -> None:
        super().__init__(message)
        self.rows = rows

    def __reduce__(self) -> tuple[object, ...]:
        return _rows_lost, (str(self), self.rows)


def _rows_lost(message: str, rows: int) -> RowsLost:
    return RowsLost(message, rows=rows)


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that were read, or the names of their files."""

    where: str  # the file they are in
    unit: str  # row, line
    numbers: Sequence[int]  # of each in its file, from 1; none where the id says it
    ids: Sequence[str]
    values: Sequence[Value]
    size: int  # bytes of all
    weight: int  # bytes of the input that are behind us with this block

    @property
    def rows(self) -> int:
        return len(self.values)

    def head(self, rows: int) -> "Held":
        return replace(self, numbers=self.numbers[:rows], ids=self.ids[:rows], values=self.values[:rows])

    def position(self, at: int) -> str:
        return f"{self.where} {self.unit} {self.numbers[at]}" if self.numbers else f"{self.where}: {self.ids[at]}"


@dataclass(frozen=True, slots=True)
class Slice:
    """Some rows of a row group of a Parquet file, which the worker reads itself."""

    path: Path
    where: str
    column: str
    id_column: str | None
    group: int
    first: int  # of the group's first row in the file, from 0
    every: int  # rows of each slice of this group but the last
    start: int  # in the group
    rows: int
    size: int
    weight: int

    def head(self, rows: int) -> "Slice":
        return replace(self, rows=rows)


Block = Held | Slice


@dataclass(frozen=True, slots=True)
class Shard:
    number: int
    blocks: list[Block]

    @property
    def rows(self) -> int:
        return sum(block.rows for block in self.blocks)

    @property
    def weight(self) -> int:
        return sum(block.weight for block in self.blocks)


def cut(blocks: Iterable[Block], *, shard_rows: int, limit_rows: int | None) -> Iterator[Shard]:
    """Of so many rows or somewhat more."""
    number, held, rows, size, left = 0, list[Block](), 0, 0, limit_rows
    for block in blocks:
        if left is not None:
            if block.rows > left:
                block = block.head(left)
            left -= block.rows
        if block.rows:
            held.append(block)
            rows, size = rows + block.rows, size + block.size
        if rows >= shard_rows or size >= SHARD_BYTES:
            yield Shard(number, held)
            number, held, rows, size = number + 1, [], 0, 0
        if left == 0:
            break
    if held:
        yield Shard(number, held)
