"""A tensor of the Open Inference Protocol, as JSON or as bytes -> the rows in it; and BYTES back to bytes.

JSON data may be nested as its shape says, or flat, row-major. Bytes are little-endian and row-major without padding; an
element of BYTES is its length in 4 bytes, then itself.
"""

import struct
from collections.abc import Iterable
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import orjson

from service.engine.rows import Pixels
from service.errors import InvalidInput
from service.protocols.kinds import kind
from service.protocols.long_json import Numbers

Shape = tuple[int, ...]
Blob = bytes | memoryview


def read_shape(given: Any) -> Shape:
    """Raises InvalidInput unless `given` is a JSON array of whole numbers from 0 up to what a uint64 holds."""
    if not isinstance(given, list) or not all(type(size) is int and size >= 0 for size in given):
        raise InvalidInput(f"its shape is {str(given)[:64]}: expected an array of whole numbers that are not negative")
    return tuple(given)


def pixels_of_json(data: Any, shape: Shape) -> list[Pixels]:
    """N x H x W x C numbers -> N rows. Raises InvalidInput for elements other than whole numbers from 0 to 255."""
    flat = data if isinstance(data, Numbers) else flatten(data, shape)
    try:
        pixels = flat.read() if isinstance(flat, Numbers) else bytes(flat)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"its data is not valid JSON ({error}): expected an array of numbers") from None
    except (TypeError, ValueError):
        raise InvalidInput("its data has an element that UINT8 has not: expected whole numbers from 0 to 255") from None
    return pixels_of_bytes(pixels, shape)


def pixels_of_bytes(blob: Blob, shape: Shape) -> list[Pixels]:
    """N rows of H x W x C, which share the blob's memory. Raises InvalidInput."""
    if len(blob) != prod(shape):
        raise InvalidInput(f"its data has {len(blob):,} elements: UINT8 of shape {list(shape)} has {prod(shape):,}")
    return list(np.frombuffer(blob, np.uint8).reshape(shape))


def strings_of_json(data: Any, shape: Shape) -> list[str]:
    """Raises InvalidInput."""
    flat = flatten(data, shape)
    for index, element in enumerate(flat):
        if not isinstance(element, str):
            raise InvalidInput(f"element {index} of its data is a JSON {kind(element)}: expected a string")
    return flat


def elements_of_bytes(blob: Blob, shape: Shape) -> list[bytes]:
    """The elements of a BYTES tensor. Raises InvalidInput where the lengths in it lie."""
    elements: list[bytes] = []
    at = 0
    for index in range(prod(shape)):
        if at + 4 > len(blob):
            raise InvalidInput(f"its data ends before element {index} of {prod(shape)}: expected a length of 4 bytes")
        length = int.from_bytes(blob[at : at + 4], "little")
        at += 4
        if at + length > len(blob):
            found = len(blob) - at
            raise InvalidInput(f"its data ends within element {index}: it has {found:,} of the {length:,} bytes told")
        elements.append(bytes(blob[at : at + length]))
        at += length
    if at != len(blob):
        raise InvalidInput(f"its data has {len(blob) - at:,} bytes after its {prod(shape)} elements: expected none")
    return elements


def bytes_of_elements(elements: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def flatten(data: Any, shape: Shape) -> list[Any]:
    """The elements, row-major. Raises InvalidInput unless `data` is flat or nested as `shape` says."""
    if not isinstance(data, list):
        raise InvalidInput(f"its data is a JSON {kind(data)}: expected an array")
    flat: list[Any] = data
    if len(shape) > 1 and data and isinstance(data[0], list):
        check_length(data, shape[0], 0)
        for axis, size in enumerate(shape[1:], 1):
            for part in flat:
                check_length(part, size, axis)
            flat = list(chain.from_iterable(flat))
    else:
        check_length(data, prod(shape), None)
    return flat


def check_length(part: Any, size: int, axis: int | None) -> None:
    if not isinstance(part, list):
        raise InvalidInput(f"its data has an element where its shape has axis {axis}: expected arrays, or a flat array")
    if len(part) != size:
        where = "flat data" if axis is None else f"axis {axis}"
        raise InvalidInput(f"its data has {len(part):,} elements in {where}: its shape says {size:,}")
