"""A bar on stderr, redrawn in place at most ten times a second."""

import sys
import time
from collections.abc import Sequence

from ._types import Prediction, Refused

WIDTH = 24  # characters
REDRAWN = 0.1  # seconds


class Progress:
    def __init__(self, total: int | None) -> None:
        self._total = total  # None: nobody knows
        self._done = 0
        self._refused = 0
        self._start = time.monotonic()
        self._drawn = 0.0

    def expect(self, more: int) -> None:
        if self._total is not None:
            self._total += more

    def add(self, answers: Sequence[Prediction | Refused]) -> None:
        self._done += len(answers)
        self._refused += sum(isinstance(answer, Refused) for answer in answers)
        now = time.monotonic()
        if now - self._drawn >= REDRAWN:
            self._drawn = now
            self._write("\r" + self.text(now - self._start))

    def close(self) -> None:
        self._write("\r" + self.text(time.monotonic() - self._start) + "\n")

    def text(self, seconds: float) -> str:
        rate = self._done / seconds if seconds > 0 else 0.0
        refused = f", {self._refused:,} refused" if self._refused else ""
        if not self._total:
            return f"{self._done:,} inputs, {rate:,.0f}/s{refused}"
        filled = min(WIDTH, WIDTH * self._done // self._total)
        left = f", {(self._total - self._done) / rate:,.0f} s left" if rate and self._done < self._total else ""
        bar = "█" * filled + "·" * (WIDTH - filled)
        return f"{bar} {self._done:,} of {self._total:,}, {rate:,.0f}/s{refused}{left}"

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(f"{text:<80}" if not text.endswith("\n") else text)
            sys.stderr.flush()
        except UnicodeEncodeError:  # a terminal of ASCII
            sys.stderr.write(text.replace("█", "#").replace("·", "."))
