"""The plain PNG, 8 bits of grey or RGB and nothing special, read in little more than half of Pillow's time.

Most of what a small net is sent is such a file of a few hundred bytes, and opening it costs more than the net. Whatever
is not plain, or not whole, is left to Pillow: this file never decides that a picture is broken.
"""

import zlib
from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MODES = {0: "L", 2: "RGB"}  # by colour type
# Chunks that change no pixel of a picture read as 8 bits a channel, and the bytes without which Pillow refuses them.
HARMLESS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 0, b"tEXt": 1, b"bKGD": 0}


@dataclass(slots=True)
class PlainPng:
    """Has of an Image what tells about a picture."""

    encoded: bytes
    size: tuple[int, int]  # width, height
    mode: str  # L or RGB
    compressed: bytes  # one zlib stream of all filtered lines
    format: ClassVar[str] = "PNG"

    def image(self) -> Image.Image:
        """Raises ValueError and zlib's errors where the stream does not hold the picture."""
        image = Image.frombytes(self.mode, self.size, self.compressed, "zip", self.mode, 0)
        image.format = "PNG"
        return image


def read_plain_png(encoded: bytes) -> PlainPng | None:
    """None for anything that is not plain, whole and with right checksums."""
    if encoded[:8] != SIGNATURE or encoded[8:16] != b"\x00\x00\x00\x0dIHDR" or len(encoded) < 57:
        return None
    # bits a channel, colour type, compression 0, filter 0, not interlaced
    mode = MODES.get(encoded[25])
    if mode is None or encoded[24] != 8 or encoded[26:29] != b"\x00\x00\x00":
        return None
    width, height = int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big")
    if not (width and height):
        return None
    compressed: bytes | None = None
    before = b""
    at, end = 8, len(encoded)
    while at + 12 <= end:
        after = at + 12 + int.from_bytes(encoded[at : at + 4], "big")
        kind = encoded[at + 4 : at + 8]
        if after > end or zlib.crc32(encoded[at + 4 : after - 4]) != int.from_bytes(encoded[after - 4 : after], "big"):
            return None
        if kind == b"IDAT":
            if compressed is None:
                compressed = encoded[at + 8 : after - 4]
            elif before == kind:
                compressed += encoded[at + 8 : after - 4]
            else:  # Pillow reads no further than the first run of them
                return None
        elif kind == b"IEND":
            return PlainPng(encoded, (width, height), mode, compressed or b"") if after == end else None
        elif at != 8 and (after - at - 12 < HARMLESS.get(kind, end) or (kind == b"tEXt" and encoded[at + 8] > 90)):
            return None  # Pillow takes text that is called `exif`, `transparency`, … for the thing itself
        at, before = after, kind
    return None
