import numpy as np
import pytest

from service.engine.rows import read_row
from service.errors import InvalidInput
from service.spec import ImageInput, SentenceInput

IMAGE = ImageInput(height=2, width=4, channels=3, fit="stretch", background="black")


def test_pixels_are_a_row_as_they_are() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    row = read_row(pixels, IMAGE)
    assert row.row is pixels
    assert row.units == 1


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 2, 3), np.uint8), np.zeros((2, 4, 3), np.float32), np.zeros((1, 2, 4, 3), np.uint8)]
)
def test_pixels_of_another_shape_or_type_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"expected uint8 \[2, 4, 3\]"):
        read_row(pixels, IMAGE)


def test_a_sentence_model_takes_no_pixels() -> None:
    with pytest.raises(InvalidInput, match="takes sentences"):
        read_row(np.zeros((2, 4, 3), np.uint8), SentenceInput(max_characters=10))
