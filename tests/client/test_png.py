"""Arrays of pixels as PNG, read back by Pillow."""

import io

import numpy as np
import pytest
from maxpool_client._png import encode
from PIL import Image


@pytest.mark.parametrize(
    ("shape", "mode"), [((5, 7), "L"), ((5, 7, 1), "L"), ((5, 7, 3), "RGB"), ((5, 7, 4), "RGBA")], ids=str
)
def test_pixels_come_back_as_they_were(shape: tuple[int, ...], mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(encode(pixels))) as picture:
        assert picture.mode == mode
        assert np.array_equal(np.asarray(picture).reshape(shape), pixels)


def test_a_view_that_is_not_contiguous_is_encoded_as_it_is_seen() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[::-1, ::2]
    with Image.open(io.BytesIO(encode(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("shape", [(3,), (5, 7, 2), (2, 5, 7, 3), (0, 7)], ids=str)
def test_a_shape_that_is_no_picture_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected H x W"):
        encode(np.zeros(shape, np.uint8))


def test_another_dtype_is_told() -> None:
    with pytest.raises(TypeError, match="float32: expected uint8"):
        encode(np.zeros((2, 2), np.float32))
