"""An input as it came (an encoded picture, its pixels, a sentence) -> a row that the graph takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.engine.session import Rows
from service.errors import InvalidInput
from service.images import MAX_PIXELS, SHORT, Picture, open_picture
from service.sentences import check_sentence
from service.spec import ImageInput, SentenceInput

Pixels = npt.NDArray[np.uint8]  # H x W x C, fitted to the model already
Input = bytes | str | Pixels  # an encoded picture, a sentence, or a row that needs no reading


@dataclass(slots=True)
class Row:
    row: Any  # H x W x C uint8, or a str
    units: int  # what its time grows with: 1 a picture, the characters of a sentence
    description: dict[str, Any]


def read_row(given: Input, spec: ImageInput | SentenceInput, *, max_pixels: int = MAX_PIXELS) -> Row:
    """Raises InvalidInput."""
    opened = open_input(given, spec, max_pixels=max_pixels)
    return opened if isinstance(opened, Row) else decode(opened, spec)


def open_input(given: Input, spec: ImageInput | SentenceInput, *, max_pixels: int) -> Picture | Row:
    """A picture of which the header was read; pixels or a sentence, which are done with. Raises InvalidInput."""
    if isinstance(given, np.ndarray):
        return Row(check_pixels(given, spec), 1, {})
    if isinstance(spec, ImageInput):
        if isinstance(given, str):
            raise InvalidInput("this model takes pictures: expected an encoded picture, found text")
        return open_picture(given, max_pixels=max_pixels)
    if isinstance(given, bytes):
        raise InvalidInput("this model takes sentences: expected text, found bytes")
    sentence = check_sentence(given, spec)
    return Row(sentence, len(sentence), {"characters": len(sentence)})


def check_pixels(pixels: Pixels, spec: ImageInput | SentenceInput) -> Pixels:
    """Raises InvalidInput."""
    if not isinstance(spec, ImageInput):
        raise InvalidInput("this model takes sentences: expected text, found pixels")
    expected = (spec.height, spec.width, spec.channels)
    if pixels.shape != expected or pixels.dtype != np.uint8:
        raise InvalidInput(f"the pixels are {pixels.dtype} {list(pixels.shape)}: expected uint8 {list(expected)}")
    return pixels


def decode(picture: Picture, spec: ImageInput | SentenceInput) -> Row:
    """Raises InvalidInput."""
    assert isinstance(spec, ImageInput)
    description = picture.describe()
    return Row(picture.decode(spec), 1, description)


def is_short(given: object) -> bool:
    return not isinstance(given, bytes) or len(given) <= SHORT


def stack(rows: list[Any]) -> Rows:
    """N x H x W x C uint8, or N objects of type str."""
    return (
        np.array(rows, dtype=object)
        if isinstance(rows[0], str)
        else np.concatenate(rows).reshape(len(rows), *rows[0].shape)
    )
