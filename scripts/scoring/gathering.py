"""Rows one after the other -> blocks."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from scripts.scoring.shards import BLOCK_BYTES, BLOCK_ROWS, Held, Value


class Found(NamedTuple):
    number: int | None  # in its file
    id: str
    value: Value
    size: int  # bytes


def gather(where: str, unit: str, rows: Iterable[Found], *, behind: Callable[[], int]) -> Iterator[Held]:
    """`behind`: the bytes of the file that were read so far."""
    held, size, before = list[Found](), 0, 0

    def block() -> Held:
        numbers = [row.number for row in held if row.number is not None]
        ids, values = [row.id for row in held], [row.value for row in held]
        return Held(where, unit, numbers, ids, values, size, max(0, behind() - before))

    for row in rows:
        held.append(row)
        size += row.size
        if len(held) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield block()
            held, size, before = [], 0, behind()
    if held:
        yield block()
