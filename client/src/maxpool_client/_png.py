"""Arrays of pixels as PNG, the smallest encoder there can be: neither numpy nor Pillow is needed."""

import struct
import zlib
from typing import Any

COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> PNG's grey, RGB, RGBA (PNG specification, 11.2.1)


def encode(array: Any) -> bytes:
    """H x W, or H x W x C with C of 1, 3 or 4, of uint8. Raises TypeError for another dtype, ValueError for a shape."""
    if str(array.dtype) != "uint8":
        raise TypeError(f"the array is of {array.dtype}: expected uint8, scaled to 0 to 255")
    shape = tuple(array.shape)
    height, width, channels = (*shape, 1) if len(shape) == 2 else shape if len(shape) == 3 else (0, 0, 0)
    if channels not in COLOUR_TYPES or not height or not width:
        raise ValueError(f"the array is of {shape}: expected H x W or H x W x 1, 3 or 4; iterate over a batch")
    row = width * channels
    pixels = array.tobytes()
    # Each row begins with its filter, 0 for none.
    rows = b"".join(b"\0" + pixels[start : start + row] for start in range(0, height * row, row))
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
