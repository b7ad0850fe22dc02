"""How far a run is: a bar on a terminal, elsewhere a line every few seconds."""

import sys
from typing import Any

from tqdm import tqdm

SECONDS = 5.0


class Lines:
    """tqdm draws over its last line; a log gets lines."""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()


class Progress:
    """How many rows there will be is guessed from the bytes that are behind us, of all of them."""

    def __init__(self, total_bytes: int, limit_rows: int | None) -> None:
        self._total_bytes, self._limit_rows = total_bytes, limit_rows
        self._bytes = self._errors = 0
        terminal = sys.stderr.isatty()
        where: Any = sys.stderr if terminal else Lines()
        self._bar = tqdm(
            total=limit_rows,
            file=where,
            unit=" rows",
            mininterval=0.1 if terminal else SECONDS,
            delay=1e-9,  # nothing to say before there is anything
            ascii=not terminal,
            dynamic_ncols=terminal,
        )

    def skip(self, rows: int, weight: int) -> None:
        """Rows of a run before this one, which are no part of the rate."""
        self._bytes += weight
        self._bar.initial += rows
        self._bar.n += rows

    def add(self, rows: int, weight: int, errors: int) -> None:
        self._bytes += weight
        self._errors += errors
        if self._bytes:
            guess = round((self._bar.n + rows) * max(1.0, self._total_bytes / self._bytes))
            self._bar.total = guess if self._limit_rows is None else min(guess, self._limit_rows)
        if self._errors:
            self._bar.set_postfix_str(f"{self._errors:,} errors", refresh=False)
        self._bar.update(rows)

    def close(self) -> None:
        self._bar.total = self._bar.n
        self._bar.close()
