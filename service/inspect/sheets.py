"""Maps side by side in one PNG with a palette: a ninth of the bytes of their numbers in JSON, ready for an <img>."""

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
Colour = tuple[int, int, int]
GUTTER = 1  # pixels between two maps, and around all
STEPS = 127  # of colour on either side of zero
ZERO = STEPS + 1  # the place of zero in the palette; that of the gutter is 0
MAX_PIXELS = 2 * 1024 * 1024

# low, zero, high, gutter
PALETTES: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "light": ((33, 102, 172), (255, 255, 255), (178, 24, 43), (200, 200, 200)),
    "dark": ((90, 170, 255), (0, 0, 0), (255, 110, 90), (70, 70, 70)),
}


@dataclass(frozen=True)
class Grid:
    """Where the maps lie on a sheet."""

    count: int
    height: int  # of a map
    width: int
    columns: int

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        return (
            GUTTER + self.columns * (self.width + GUTTER),
            GUTTER + self.rows * (self.height + GUTTER),
        )

    def spread(self, maps: Array) -> Array:
        """count x height x width -> the sheet, whose gutters are 0."""
        rows, columns = self.rows, self.columns
        padded = np.zeros((rows * columns, *maps.shape[1:3], *maps.shape[3:]), maps.dtype)
        padded[: len(maps)] = maps
        cell = (self.height + GUTTER, self.width + GUTTER)
        sheet = np.zeros((rows, cell[0], columns, cell[1], *maps.shape[3:]), maps.dtype)
        cells = padded.reshape(rows, columns, self.height, self.width, *maps.shape[3:])
        sheet[:, GUTTER:, :, GUTTER:] = np.moveaxis(cells, 1, 2)
        sheet = sheet.reshape(rows * cell[0], columns * cell[1], *maps.shape[3:])
        return np.pad(sheet, [(0, GUTTER), (0, GUTTER), *[(0, 0)] * (maps.ndim - 3)])

    def describe(self, channels: tuple[int, int]) -> dict[str, Any]:
        width, height = self.size
        return {
            "channels": list(channels),
            "columns": self.columns,
            "rows": self.rows,
            "cell": [self.height, self.width],
            "gutter": GUTTER,
            "width": width,
            "height": height,
        }


def grid_of(count: int, height: int, width: int) -> Grid:
    """About as wide as high; of strips, as a sentence's are, one below the other."""
    columns = 1 if height == 1 and width > 1 else round((count * (height + GUTTER) / (width + GUTTER)) ** 0.5)
    return Grid(count, height, width, min(max(1, columns), count))


def draw(maps: Array, channels: tuple[int, int], *, palette: str, scale: str) -> dict[str, Any]:
    """count x H x W floats, of channels from a to below b -> a sheet with what its colours mean."""
    grid = grid_of(*maps.shape)
    maps = np.nan_to_num(maps)
    highest = np.abs(maps).max((1, 2)) if scale == "map" else np.full(len(maps), np.abs(maps).max())
    steps = STEPS / np.where(highest > 0, highest, 1)
    places = np.rint(maps * steps[:, None, None] + ZERO).astype(np.uint8)
    high: Any = highest.tolist() if scale == "map" else float(highest[0])
    low: Any = [-each for each in high] if scale == "map" else -high
    encoded = png(grid.spread(places), colours(palette))
    return {"png": encoded, **grid.describe(channels), "scale": scale, "low": low, "high": high}


def draw_classes(maps: Array, channels: tuple[int, int], named: list[Colour]) -> dict[str, Any]:
    """count x H x W of numbers from 1 on, each with its colour."""
    grid = grid_of(*maps.shape)
    encoded = png(grid.spread(maps.astype(np.uint8)), [PALETTES["light"][3], *named])
    return {"png": encoded, **grid.describe(channels), "scale": "layer", "low": None, "high": None}


def colours(palette: str) -> list[Colour]:
    low, zero, high, gutter = (np.array(each, float) for each in PALETTES[palette])
    towards = np.linspace(1, 0, STEPS, endpoint=False)[:, None]  # 127 colours, the strongest first
    found = np.rint(np.concatenate([zero + (low - zero) * towards, [zero], zero + (high - zero) * towards[::-1]]))
    return [tuple(each) for each in np.concatenate([[gutter], found]).astype(int).tolist()]


def png(picture: Array, palette: list[Colour] | None = None) -> str:
    """H x W of places in the palette, or H x W x C of bytes -> a data: URI."""
    image = Image.fromarray(picture.squeeze(2) if picture.ndim == 3 and picture.shape[2] == 1 else picture)
    if palette is not None:
        image.putpalette([value for colour in palette for value in colour])
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
