"""An input as it came (an encoded picture, a sentence) -> a row that the graph takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.engine.session import Rows
from service.errors import InvalidInput
from service.images import MAX_PIXELS, open_picture
from service.sentences import check_sentence
from service.spec import ImageInput, SentenceInput

Input = bytes | str  # an encoded picture, or a sentence


@dataclass(frozen=True, slots=True)
class Row:
    row: Any  # H x W x C uint8, or a str
    units: int  # what its time grows with: 1 a picture, the characters of a sentence
    description: dict[str, Any]


def read_row(given: Input, spec: ImageInput | SentenceInput, *, max_pixels: int = MAX_PIXELS) -> Row:
    """Raises InvalidInput."""
    if isinstance(spec, ImageInput):
        if isinstance(given, str):
            raise InvalidInput("this model takes pictures: expected an encoded picture, found text")
        picture = open_picture(given, max_pixels=max_pixels)
        description = picture.describe()
        return Row(picture.decode(spec), 1, description)
    if isinstance(given, bytes):
        raise InvalidInput("this model takes sentences: expected text, found bytes")
    sentence = check_sentence(given, spec)
    return Row(sentence, len(sentence), {"characters": len(sentence)})


def is_small(given: Input) -> bool:
    """Read faster on the event loop than handed to a thread: two threads decode tiny pictures slower than one."""
    if isinstance(given, str):
        return True
    if len(given) > 4096:
        return False
    try:
        return open_picture(given).pixels <= 64 * 64
    except InvalidInput:
        return True  # to be refused at once


def stack(rows: list[Any]) -> Rows:
    """N x H x W x C uint8, or N objects of type str."""
    return np.array(rows, dtype=object) if isinstance(rows[0], str) else np.stack(rows)
