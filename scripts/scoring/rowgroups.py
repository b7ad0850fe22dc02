"""Parquet: the row groups of a file cut into slices, and the slices read where they are scored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from scripts.folders import locate
from scripts.scoring.columns import choose_column, require_column
from scripts.scoring.shards import SHARD_BYTES, Held, RowsLost, Slice, Value

BUFFER = 1 << 20  # bytes read at once: a row group is never held as a whole
TEXT = (pyarrow.types.is_string, pyarrow.types.is_large_string)
RAW = (pyarrow.types.is_binary, pyarrow.types.is_large_binary)
UNREADABLE = (pyarrow.ArrowException, OSError, ValueError)  # ArrowInvalid is a ValueError, too


class RowGroups:
    def __init__(self, path: Path, name: str, *, column: str | None, id_column: str | None, pictures: bool) -> None:
        """Raises ValueError for what is no Parquet, or where the column is not there or holds something else."""
        self.path, self.name = path, name
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                schema, self._metadata = file.schema_arrow, file.metadata
        except UNREADABLE as error:
            if isinstance(error, PermissionError):
                raise
            raise ValueError(
                f"{path} can not be read as Parquet ({str(error).splitlines()[0]}): fetch it again, or leave it out"
            ) from None
        self.column = choose_column(path, schema.names, column, pictures=pictures)
        self.id_column = require_column(path, schema.names, id_column)
        kind = schema.field(self.column).type
        if not any(test(plain(kind)) for test in (*TEXT, *RAW)):
            expected = "encoded pictures or their paths" if pictures else "sentences"
            raise ValueError(f"{path}: column {self.column} is of {kind}, expected {expected}")

    def blocks(self, shard_rows: int) -> Iterator[Slice]:
        first, total, of_file = 0, max(1, self._metadata.num_rows), self.path.stat().st_size
        for group in range(self._metadata.num_row_groups):
            found = self._metadata.row_group(group)
            chunks = (found.column(at) for at in range(found.num_columns))
            size = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] == self.column)
            each = max(1, size // max(1, found.num_rows))  # bytes
            every = max(1, min(shard_rows, SHARD_BYTES // each))
            for start in range(0, found.num_rows, every):
                rows = min(every, found.num_rows - start)
                yield Slice(
                    self.path,
                    self.name,
                    self.column,
                    self.id_column,
                    group,
                    first,
                    every,
                    start,
                    rows,
                    each * rows,
                    of_file * rows // total,
                )
            first += found.num_rows


class Reader:
    """Each worker's own. It gets slices in order, so of a row group it reads on; what others score is passed over,
    which costs a hundredth of scoring it."""

    def __init__(self, *, pictures: bool) -> None:
        self._pictures = pictures
        self._open: tuple[Path, int] | None = None
        self._next = 0
        self._batches: Iterator[Any] = iter(())

    def read(self, given: Slice) -> Held:
        """Rows that can not be read are one value, RowsLost."""
        numbers = range(given.first + given.start + 1, given.first + given.start + given.rows + 1)
        try:
            batch = self._batch(given)
            column = batch.column(given.column)
            values = self._values(column, given)
            ids = [f"{given.where}:{number}" for number in numbers]
            if given.id_column is not None:
                named = batch.column(given.id_column).cast(pyarrow.string()).to_pylist()[: given.rows]
                ids = [default if name is None else name for name, default in zip(named, ids, strict=True)]
        except UNREADABLE as error:
            self._open = None
            lost = RowsLost(
                f"{given.path}: row group {given.group} can not be read, rows {numbers[0]:,} to {numbers[-1]:,} are "
                f"lost ({str(error).splitlines()[0]}): fetch or write the file again",
                rows=given.rows,
            )
            return Held(given.where, "row", numbers[:1], [f"{given.where}:{numbers[0]}"], [lost], 0, 0)
        return Held(given.where, "row", numbers, ids, values, given.size, given.weight)

    def _batch(self, given: Slice) -> Any:
        if self._open != (given.path, given.group) or self._next > given.start:
            file = pyarrow.parquet.ParquetFile(
                given.path, pre_buffer=False, buffer_size=BUFFER, page_checksum_verification=True
            )
            nested = pyarrow.types.is_struct(file.schema_arrow.field(given.column).type)
            columns = [f"{given.column}.bytes" if nested else given.column]
            columns += [given.id_column] if given.id_column is not None else []
            self._batches = file.iter_batches(given.every, row_groups=[given.group], columns=columns, use_threads=False)
            self._open, self._next = (given.path, given.group), 0
        batch = None
        while self._next <= given.start:
            batch = next(self._batches, None)
            if batch is None:
                raise ValueError("it has fewer rows than it says")
            self._next += given.every
        return batch

    def _values(self, column: Any, given: Slice) -> list[Value]:
        if pyarrow.types.is_struct(column.type):
            column = column.flatten()[0]  # as Hugging Face's data sets have pictures
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if self._pictures and any(test(column.type) for test in TEXT):
            paths = column.to_pylist()[: given.rows]
            return [locate(given.path.parent, path) if path else None for path in paths]
        values: list[Value] = column.cast(pyarrow.large_binary()).to_pylist()[: given.rows]
        return values


def plain(kind: Any) -> Any:
    """Of a struct with bytes in it, and of a dictionary, what is in there."""
    if pyarrow.types.is_struct(kind):
        return kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else kind
    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind
