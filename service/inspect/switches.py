"""What a max pooling kept and what it lost, from its input and output alone: the first of the largest, row by row, as
ONNX Runtime and torch have it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Array = npt.NDArray[Any]
NOTHING = -1  # in place of a winner where all cells of a window are equal
KEPT, LOST, DEAD, UNSEEN = 1, 2, 3, 4  # of cells
COLOURS = {"kept": (242, 194, 0), "lost": (138, 138, 138), "nothing": (0, 0, 0), "unseen": (58, 74, 90)}


@dataclass(frozen=True)
class Switches:
    winners: Array  # C x h x w: place y * W + x in the map before the pooling, or NOTHING
    wins: Array  # C x H x W: windows that each cell won
    cells: Array  # C x H x W of KEPT, LOST, DEAD (only in windows with nothing to keep), UNSEEN (in no window)


def switches(
    before: Array, after: Array, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...]
) -> Switches:
    """`before` C x H x W, `after` C x h x w. `pad`: top, left, bottom, right; what is beyond is never a winner, and by
    the size of `after` it is seen whether the last windows reach beyond the edge (ceil_mode)."""
    channels, height, width = before.shape
    rows, columns = after.shape[1:]
    beyond = (
        max(0, (rows - 1) * stride[0] + kernel[0] - height - pad[0]),
        max(0, (columns - 1) * stride[1] + kernel[1] - width - pad[1]),
    )
    around = ((0, 0), (pad[0], beyond[0]), (pad[1], beyond[1]))
    padded = np.pad(before, around, constant_values=-np.inf)
    places = np.pad(np.arange(height * width).reshape(height, width), around[1:], constant_values=NOTHING)

    seen = windows(padded, kernel, stride)[:, :rows, :columns].reshape(channels, rows, columns, -1)
    of_places = windows(places[None], kernel, stride)[0, :rows, :columns].reshape(rows, columns, -1)
    inside = of_places != NOTHING
    lowest = np.where(inside, seen, np.inf).min(3)
    nothing = (seen.max(3) == lowest) & (inside.sum(2) > 1)
    chosen = seen.argmax(3)  # C x h x w
    winners = np.take_along_axis(np.broadcast_to(of_places, seen.shape), chosen[..., None], 3)[..., 0]
    winners = np.where(nothing, NOTHING, winners)

    wins = np.stack([np.bincount(each[each >= 0], minlength=height * width) for each in winners])
    wins = wins.reshape(before.shape)
    live = np.zeros((channels, *places.shape), bool)  # cells of a window with something to keep
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            live[:, y : y + rows * stride[0] : stride[0], x : x + columns * stride[1] : stride[1]][
                :, :rows, :columns
            ] |= ~nothing
    live = live[:, pad[0] : pad[0] + height, pad[1] : pad[1] + width]
    covered = np.zeros(height * width + 1, bool)
    covered[of_places.ravel()] = True
    cells = np.where(covered[:-1].reshape(height, width), DEAD, UNSEEN) * np.ones_like(wins)
    cells[live] = LOST
    cells[wins > 0] = KEPT
    return Switches(winners, wins, cells)


def windows(maps: Array, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    """C x H x W -> C x h x w x kernel."""
    return sliding_window_view(maps, tuple(kernel), axis=(1, 2))[:, :: stride[0], :: stride[1]]
