"""How a score falls when a part of the input is hidden: approximate, by asking the net itself again and again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidInput

Array = npt.NDArray[Any]
SECONDS = 1.0  # as estimated
MOST_SECONDS = 2.0  # whatever was estimated: the next inspection waits for as long
GRIDS = (13, 7, 5, 4)  # positions a side, the finest first
BATCH = 16  # rows of a run
GREY = 127
Run = Callable[[list[Any]], Array]  # rows -> N x K scores


@dataclass(frozen=True)
class Hidden:
    values: Array  # score with all less the score without each part
    score: float
    patch: tuple[int, int] | None  # height, width in pixels
    runs: int  # rows
    seconds: float


def hide_squares(run: Run, row: Array, target: int, seconds_a_row: float) -> Hidden:
    """`row` H x W x C. Raises InvalidInput where the coarsest grid takes too long."""
    height, width = row.shape[:2]
    grids = [grid for grid in GRIDS if grid <= min(height, width)] or [min(height, width)]
    grid = next((grid for grid in grids if grid * grid * seconds_a_row <= SECONDS), None)
    if grid is None:
        raise too_long(grids[-1] ** 2, seconds_a_row)
    patch = patch_of(height, grid), patch_of(width, grid)
    start = time.perf_counter()
    score, values = falls(run, row, squares(row, grid, patch), grid * grid, target)
    return Hidden(values.reshape(grid, grid), score, patch, len(values), time.perf_counter() - start)


def hide_words(run: Run, tokens: list[str], target: int, seconds_a_row: float) -> Hidden:
    """Raises InvalidInput where there are too many, or they take too long."""
    if len(tokens) * seconds_a_row > SECONDS:
        raise too_long(len(tokens), seconds_a_row)
    start = time.perf_counter()
    without = (" ".join(tokens[:at] + tokens[at + 1 :]) for at in range(len(tokens)))
    score, values = falls(run, " ".join(tokens), without, len(tokens), target)
    return Hidden(values, score, None, len(values), time.perf_counter() - start)


def falls(run: Run, whole: Any, hidden: Iterator[Any], count: int, target: int) -> tuple[float, Array]:
    """Raises InvalidInput where it takes much longer than was estimated, as rows of long sentences do together."""
    scores: list[float] = []
    start = time.perf_counter()
    rows = chain([whole], hidden)
    while batch := list(islice(rows, BATCH)):
        if (seconds := time.perf_counter() - start) > MOST_SECONDS:
            raise too_long(count, seconds / len(scores))
        scores += run(batch)[:, target].tolist()
    return scores[0], scores[0] - np.array(scores[1:])


def patch_of(side: int, grid: int) -> int:
    """Pixels of a square, half as long again as the step between two."""
    return max(1, min(side, round(1.5 * side / grid)))


def squares(row: Array, grid: int, patch: tuple[int, int]) -> Iterator[Array]:
    tops, lefts = (
        np.rint(np.linspace(0, side - size, grid)).astype(int).tolist()
        for side, size in zip(row.shape[:2], patch, strict=True)
    )
    for top in tops:
        for left in lefts:
            hidden = row.copy()
            hidden[top : top + patch[0], left : left + patch[1]] = GREY
            yield hidden


def too_long(runs: int, seconds_a_row: float) -> InvalidInput:
    return InvalidInput(
        f"occlusion takes {runs} runs of this model at {seconds_a_row * 1e3:.1f} ms each, {runs * seconds_a_row:.1f} s "
        f"in all, where {SECONDS:g} s is the most: ask for another method"
    )
