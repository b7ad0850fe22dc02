"""The short cut for plain PNGs gives Pillow's own pixels, or leaves the file to Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from service.errors import InvalidInput
from service.images import open_picture
from service.png import read_plain_png
from service.spec import ImageInput
from tests.conftest import encode

SPEC = ImageInput(height=9, width=7, channels=3, fit="stretch", background="white")


def random_picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    channels = () if mode == "L" else (3,)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    return Image.fromarray(pixels.cumsum(0).astype(np.uint8))  # every line another filter


def by_pillow(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(("L", "RGB")),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    level=st.integers(0, 9),
    seed=st.integers(0, 999),
)
def test_plain_pictures_have_the_pixels_that_pillow_gives(
    mode: str, width: int, height: int, level: int, seed: int
) -> None:
    encoded = encode(random_picture(mode, width, height, seed), "PNG", compress_level=level)
    plain = read_plain_png(encoded)
    assert plain is not None
    assert np.array_equal(np.asarray(plain.image()), by_pillow(encoded))


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 500), byte=st.integers(0, 255), cut=st.integers(0, 3), seed=st.integers(0, 9))
def test_a_damaged_picture_is_never_read_otherwise_than_by_pillow(at: int, byte: int, cut: int, seed: int) -> None:
    encoded = bytearray(encode(random_picture("RGB", 9, 9, seed)))
    encoded[at % len(encoded)] = byte
    damaged = bytes(encoded[: len(encoded) - cut])
    plain = read_plain_png(damaged)
    if plain is not None:
        assert np.array_equal(np.asarray(plain.image()), by_pillow(damaged))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(encoded: bytes, kind: bytes, data: bytes) -> bytes:
    return encoded[:33] + chunk(kind, data) + encoded[33:]  # after the header


def not_plain() -> dict[str, bytes]:
    picture = random_picture("RGB", 9, 9, 1)
    turned = PngImagePlugin.PngInfo()
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "palette": encode(picture.convert("P")),
        "alpha": encode(picture.convert("RGBA")),
        "grey and alpha": encode(picture.convert("LA")),
        "bits": encode(picture.convert("1")),
        "16 bits": encode(Image.fromarray(np.arange(81, dtype=np.uint16).reshape(9, 9) * 800)),
        "a transparent colour": with_chunk(encode(picture), b"tRNS", b"\0\1\0\2\0\3"),
        "turned by EXIF": encode(picture, "PNG", exif=exif.tobytes(), pnginfo=turned),
        "an unknown critical chunk": with_chunk(encode(picture), b"ABCD", b"x"),
        "more behind its end": encode(picture) + b"x",
        "a chunk that is too short": with_chunk(encode(picture), b"cHRM", bytes(31)),
        "text that Pillow takes for more": with_chunk(encode(picture), b"tEXt", b"interlace\0no"),
        "a chunk amid the pixels": amid_the_pixels(picture),
    }


def amid_the_pixels(picture: Image.Image) -> bytes:
    """Pillow reads the pixels no further than there."""
    encoded = encode(picture)
    plain = read_plain_png(encoded)
    assert plain is not None
    half = len(plain.compressed) // 2
    pixels = (chunk(b"IDAT", part) for part in (plain.compressed[:half], plain.compressed[half:]))
    return encoded[:33] + chunk(b"tIME", bytes(7)).join(pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", not_plain())
def test_what_is_not_plain_is_left_to_pillow(kind: str) -> None:
    assert read_plain_png(not_plain()[kind]) is None


def test_text_and_resolution_change_nothing() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "a picture")
    encoded = encode(random_picture("L", 9, 9, 3), "PNG", pnginfo=info, dpi=(72, 72))
    plain = read_plain_png(encoded)
    assert plain is not None
    assert np.array_equal(np.asarray(plain.image()), by_pillow(encoded))


@pytest.mark.parametrize("lines", [5, 9, 12])
def test_too_few_or_too_many_lines_are_taken_as_pillow_takes_them(lines: int) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
    stream = zlib.compress(bytes([0, *range(7, 16)]) * lines)
    encoded = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    plain = read_plain_png(encoded)
    assert plain is not None
    assert np.array_equal(np.asarray(plain.image()), by_pillow(encoded))


def test_a_stream_that_is_none_is_refused_as_pillow_refuses_it() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
    encoded = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"no zlib") + chunk(b"IEND", b"")
    with pytest.raises(InvalidInput, match="broken"):
        open_picture(encoded).decode(SPEC)


def test_a_small_picture_is_described_and_fitted_as_any_other() -> None:
    encoded = encode(random_picture("L", 5, 6, 4))
    picture = open_picture(encoded)
    assert picture.describe() == {"format": "PNG", "width": 5, "height": 6, "mode": "L", "orientation": 1}
    grey = Image.fromarray(by_pillow(encoded)).convert("RGB").resize((7, 9), Image.Resampling.BILINEAR)
    assert np.array_equal(picture.decode(SPEC), np.asarray(grey))
