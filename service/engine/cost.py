"""What a batch costs in time, measured when a model is loaded: decides how many rows share a run, and where it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

# The event loop may be held this long: a batch predicted to take less runs right on it, which saves the two thread
# switches (58 microseconds) that cost more than a small net itself.
INLINE_SECONDS = 0.001
MAX_ROWS = 32
WORTH = 0.95  # another doubling of the batch must bring the time a row down to this share
# What a batch takes beside what a run in a tight loop takes: to be gathered and counted, and for the code of the run to
# come back into caches from which the work on requests has driven it (0.07 ms of a LeNet-5 under load).
AROUND_SECONDS = 0.0001


@dataclass(frozen=True)
class Cost:
    """A straight line: fixed + per_unit * units. A unit is a picture, or a character of the longest sentence."""

    fixed: float
    per_unit: float
    max_rows: int

    def seconds(self, rows: int, longest: int) -> float:
        return self.fixed + self.per_unit * rows * longest

    def inline(self, rows: int, longest: int) -> bool:
        return self.seconds(rows, longest) <= INLINE_SECONDS

    def pays(self, rows: int, longest: int, units: int) -> bool:
        """Whether one more row of `units` is cheaper in a batch of `rows` than in a run of its own: not when padding
        to the longest costs more than a run does, and what is around it."""
        padding = (rows + 1) * max(longest, units) - rows * longest - units
        return self.per_unit * padding <= self.fixed + AROUND_SECONDS


def measure_cost(run: Callable[[int], object], *, units: int) -> Cost:
    """Doubles the batch while that makes a row cheaper. `run(n)` runs n rows of `units` units each.

    Every batch size tried is thereby warm before the first request.
    """
    rows = 1
    alone = seconds = timed(run, rows)
    per_unit = seconds / units
    while rows < MAX_ROWS:
        more = timed(run, rows * 2)
        if (more + AROUND_SECONDS) / (rows * 2) > WORTH * (seconds + AROUND_SECONDS) / rows:
            break
        rows, seconds = rows * 2, more
        per_unit = max(0.0, (seconds - alone) / ((rows - 1) * units))
    return Cost(fixed=max(0.0, alone - per_unit * units), per_unit=per_unit, max_rows=rows)


def timed(run: Callable[[int], object], rows: int) -> float:
    """Median seconds of a few runs, after one that warms."""
    run(rows)
    taken: list[float] = []
    while len(taken) < 5 and sum(taken) < 0.2:
        start = time.perf_counter()
        run(rows)
        taken.append(time.perf_counter() - start)
    return median(taken)
