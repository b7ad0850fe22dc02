import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.inspect.sheets import PALETTES, draw, draw_classes, grid_of, png


def opened(uri: str) -> Any:
    """H x W x 3."""
    head, _, encoded = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


@pytest.mark.parametrize("palette", PALETTES)
def test_a_map_is_where_the_answer_says_in_its_colours(palette: str) -> None:
    maps = np.zeros((5, 3, 4), np.float32)
    maps[3, 1, 2], maps[4, 0, 0] = 2.0, -1.0
    sheet = draw(maps, (10, 15), palette=palette, scale="layer")
    pixels = opened(sheet["png"])
    assert pixels.shape == (sheet["height"], sheet["width"], 3)
    assert (sheet["channels"], sheet["cell"], sheet["low"], sheet["high"]) == ([10, 15], [3, 4], -2.0, 2.0)
    low, zero, high, gutter = PALETTES[palette]

    def at(number: int, y: int, x: int) -> tuple[int, ...]:
        """By the formula of docs/inspect.md."""
        left = sheet["gutter"] + number % sheet["columns"] * (sheet["cell"][1] + sheet["gutter"])
        top = sheet["gutter"] + number // sheet["columns"] * (sheet["cell"][0] + sheet["gutter"])
        return tuple(pixels[top + y, left + x].tolist())

    assert at(3, 1, 2) == high
    assert at(3, 1, 1) == at(0, 0, 0) == zero
    half = at(4, 0, 0)
    assert all(min(a, b) - 1 <= each <= max(a, b) + 1 for a, b, each in zip(low, zero, half, strict=True))
    assert half not in (low, zero)
    assert tuple(pixels[0, 0]) == gutter


def test_maps_each_on_their_own_scale_are_all_seen() -> None:
    maps = np.stack([np.full((2, 2), 1e-3, np.float32), np.full((2, 2), 50, np.float32), np.zeros((2, 2), np.float32)])
    sheet = draw(maps, (0, 3), palette="light", scale="map")
    assert sheet["high"] == pytest.approx([1e-3, 50, 0])
    assert (opened(sheet["png"]) == PALETTES["light"][2]).all(2).sum() == 8
    together = draw(maps, (0, 3), palette="light", scale="layer")
    assert (opened(together["png"]) == PALETTES["light"][2]).all(2).sum() == 4


def test_numbers_that_are_none_are_drawn_as_zero() -> None:
    maps = np.array([[[np.nan, 1.0]]], np.float32)
    assert tuple(opened(draw(maps, (0, 1), palette="light", scale="layer")["png"])[1, 1]) == (255, 255, 255)


def test_classes_have_the_colours_they_are_given() -> None:
    sheet = draw_classes(np.array([[[1, 2]]]), (0, 1), [(1, 2, 3), (4, 5, 6)])
    assert opened(sheet["png"])[1, 1:3].tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_itself(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, channels), dtype=np.uint8)
    np.testing.assert_array_equal(opened(png(picture)), np.broadcast_to(picture, (6, 5, 3)))


@pytest.mark.parametrize(("count", "height", "width"), [(64, 112, 112), (7, 1, 1), (100, 1, 50), (1, 5, 5), (3, 9, 1)])
def test_a_grid_has_room_for_all(count: int, height: int, width: int) -> None:
    grid = grid_of(count, height, width)
    assert grid.columns * grid.rows >= count > grid.columns * (grid.rows - 1)
    assert grid.spread(np.ones((count, height, width))).sum() == count * height * width
    assert grid.spread(np.ones((count, height, width))).shape == grid.size[::-1]
