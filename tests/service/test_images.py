import base64
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from service.errors import InputTooLarge, InvalidInput
from service.images import crop_box, open_picture
from service.spec import ImageInput
from tests.conftest import ROOT, encode, plain

RGB = ImageInput(height=8, width=8, channels=3, fit="stretch", background="white")
GREY = ImageInput(height=8, width=8, channels=1, fit="stretch", background="black")


def decode(picture: Image.Image, spec: ImageInput, kind: str = "PNG", **options: object) -> np.ndarray:
    return open_picture(encode(picture, kind, **options)).decode(spec)


def corner(size: tuple[int, int] = (8, 8)) -> Image.Image:
    """Red, with the upper left quarter blue."""
    picture = Image.new("RGB", size, "red")
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), "blue")
    return picture


def test_a_picture_of_the_right_size_keeps_every_pixel() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    assert np.array_equal(decode(noise, RGB), np.asarray(noise))


@pytest.mark.parametrize(
    ("orientation", "row", "column"),
    [(1, 0, 0), (2, 0, 7), (3, 7, 7), (4, 7, 0), (5, 0, 0), (6, 0, 7), (7, 7, 7), (8, 7, 0)],
)
def test_every_exif_orientation_is_turned_upright(orientation: int, row: int, column: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(corner((64, 64)), RGB, "JPEG", exif=exif, quality=95)
    assert pixels[row, column, 2] > 200 > 60 > pixels[row, column, 0]


def test_a_broken_exif_block_counts_as_upright() -> None:
    assert decode(corner(), RGB, "JPEG", exif=b"Exif\x00\x00nonsense").shape == (8, 8, 3)


def test_transparent_pixels_show_the_background() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (decode(clear, RGB) == 255).all()
    assert (decode(clear, GREY) == 0).all()
    assert (decode(Image.new("LA", (8, 8), (255, 0)), GREY) == 0).all()


def test_a_transparent_palette_colour_shows_the_background() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0])
    assert (decode(palette, RGB, transparency=0) == 255).all()


def test_half_transparent_pixels_are_mixed_with_the_background() -> None:
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert np.abs(decode(half, RGB)[0, 0].astype(int) - (255, 127, 127)).max() <= 1
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0])
    assert np.array_equal(decode(palette, RGB, transparency=bytes([128])), decode(half, RGB))
    assert np.array_equal(decode(half, RGB, "WEBP", lossless=True), decode(half, RGB))


def test_sixteen_bits_keep_their_high_byte() -> None:
    deep = Image.fromarray(np.full((8, 8), 0x80FF, np.uint16))
    assert (decode(deep, GREY) == 0x80).all()
    assert (decode(deep, RGB) == 0x80).all()


def test_sixteen_bits_of_colour_keep_their_high_byte_too() -> None:
    line = b"\0" + struct.pack(">3H", 0x80FF, 0x01FF, 0xFFFF) * 8
    assert (open_picture(png(line * 8, bits=16, colour_type=2)).decode(RGB) == (0x80, 0x01, 0xFF)).all()


@pytest.mark.parametrize(
    ("colour_type", "bits", "line", "clear"),
    [
        (0, 1, b"\x0f", (1,)),
        (0, 2, b"\x55\xaa", (2,)),
        (0, 4, b"\x11\x11\x22\x22", (2,)),
        (0, 8, b"\x11" * 4 + b"\x22" * 4, (0x22,)),
        (0, 16, b"\x11\x00" * 4 + b"\x22\x00" * 4, (0x2200,)),
        (2, 8, b"\x11\x00\x00" * 4 + b"\x22\x00\x00" * 4, (0x22, 0, 0)),
        (2, 16, b"\x11\x22\x00\x00\x00\x00" * 4 + b"\x22\x11\x00\x00\x00\x00" * 4, (0x2211, 0, 0)),
    ],
)
def test_a_transparent_colour_is_of_the_depth_of_the_file(
    colour_type: int, bits: int, line: bytes, clear: tuple[int, ...]
) -> None:
    given = struct.pack(f">{len(clear)}H", *clear)
    pixels = open_picture(png(b"\0%b" % line * 8, bits=bits, colour_type=colour_type, clear=given)).decode(RGB)
    assert (pixels[:, 4:] == 255).all()  # the background
    assert (pixels[:, :4, 1] < 255).all()


def png(
    lines: bytes, *, bits: int = 8, colour_type: int = 2, interlaced: bool = False, clear: bytes | None = None
) -> bytes:
    """8 x 8, of what Pillow does not write."""
    head = struct.pack(">IIBBBBB", 8, 8, bits, colour_type, 0, 0, interlaced)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    if clear is not None:
        chunks.insert(1, (b"tRNS", clear))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


# Where each of Adam7's passes begins and how far apart its pixels are: y, x, down, across.
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def test_an_interlaced_picture_is_the_same_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    passes = (pixels[y::down, x::across] for y, x, down, across in ADAM7)
    lines = b"".join(b"\0" + line.tobytes() for each in passes for line in each)
    assert np.array_equal(open_picture(png(lines, interlaced=True)).decode(RGB), pixels)
    assert np.abs(decode(corner((64, 64)), RGB, "JPEG", progressive=True)[0, 0].astype(int) - (0, 0, 255)).max() < 8


def test_a_colour_profile_changes_nothing() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for kind in ("PNG", "JPEG", "WEBP"):
        for profile in (lab, b"nonsense"):
            assert np.array_equal(decode(corner(), RGB, kind, icc_profile=profile), decode(corner(), RGB, kind))


def test_ink_is_taken_as_light_that_is_missing() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(decode(cyan, RGB, "JPEG", quality=95)[0, 0].astype(int) - (0, 255, 255)).max() < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_modes_are_converted(mode: str) -> None:
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    pixels = decode(Image.new("RGB", (16, 16), "white").convert(mode), RGB, kind)
    assert pixels.shape == (8, 8, 3)
    assert pixels.min() > 250


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pixels = decode(frames[0], RGB, "GIF", save_all=True, append_images=frames[1:])
    assert tuple(pixels[0, 0]) == (255, 0, 0)
    for kind in ("PNG", "WEBP"):
        options = {"save_all": True, "append_images": frames[1:], "lossless": True}
        assert np.array_equal(decode(frames[0], RGB, kind, **options), pixels)


def test_of_a_jpeg_with_more_behind_it_as_telephones_write_them_the_first_counts() -> None:
    photo = Image.effect_noise((320, 240), 90).convert("RGB")
    several = encode(photo, "MPO", save_all=True, append_images=[photo.resize((32, 24))])
    picture = open_picture(several)
    assert picture.describe()["format"] == "JPEG"
    assert np.array_equal(picture.decode(RGB), decode(photo, RGB, "JPEG"))


def test_crop_gives_what_resizing_all_and_cutting_the_centre_gives() -> None:
    photo = Image.effect_noise((300, 200), 90).convert("RGB").resize((500, 375), Image.Resampling.BICUBIC)
    spec = ImageInput(height=224, width=224, channels=3, fit="crop", shorter_side=256, background="black")
    whole = photo.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    difference = np.abs(decode(photo, spec).astype(int) - np.asarray(whole).astype(int))
    assert difference.max() <= 2
    assert difference.mean() < 0.05


def test_a_part_larger_than_the_picture_it_is_cut_from_is_no_spec() -> None:
    wide = {"height": 100, "width": 200, "channels": 3, "fit": "crop", "background": "black"}
    with pytest.raises(ValueError, match="shorter_side 100"):
        ImageInput.model_validate({**wide, "shorter_side": 100})
    for size in ((50, 400), (400, 50), (90, 90)):
        assert open_picture(plain("red", size)).decode(ImageInput.model_validate(wide)).shape == (100, 200, 3)


def test_the_crop_box_stays_inside_a_very_long_picture() -> None:
    spec = ImageInput(height=224, width=224, channels=3, fit="crop", shorter_side=256, background="black")
    left, top, right, bottom = crop_box(10_000, 10, spec)
    assert 0 <= left < right <= 10_000
    assert 0 <= top < bottom <= 10


def test_a_big_jpeg_is_decoded_at_reduced_size_with_the_same_content() -> None:
    pixels = decode(corner((1600, 1600)), RGB, "JPEG")
    assert pixels[0, 0, 2] > 200
    assert pixels[7, 7, 0] > 200


def test_pad_centres_the_picture_on_the_background() -> None:
    spec = ImageInput(height=8, width=8, channels=3, fit="pad", background="white")
    pixels = decode(Image.new("RGB", (16, 8), "red"), spec)
    assert (pixels[0] == 255).all()
    assert (pixels[4] == (255, 0, 0)).all()


def test_the_pixel_budget_is_exact() -> None:
    encoded = encode(Image.new("L", (100, 100)))
    assert open_picture(encoded, max_pixels=10_000).describe()["width"] == 100
    with pytest.raises(InputTooLarge, match="100 x 100"):
        open_picture(encoded, max_pixels=9_999)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_half_a_picture_is_refused(kind: str) -> None:
    whole = encode(Image.effect_noise((64, 64), 90).convert("RGB"), kind)
    with pytest.raises(InvalidInput):
        open_picture(whole[: len(whole) // 2]).decode(RGB)


MEMORY = """
import resource, sys
from service.errors import InputTooLarge
from service.images import MAX_PIXELS, open_picture
from service.spec import ImageInput

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

bomb, before = sys.stdin.buffer.read(), peak()
for _ in range(100):
    try:
        open_picture(bomb)
    except InputTooLarge:
        continue
    raise SystemExit("the bomb was let in")
refused = peak()
open_picture(bomb, max_pixels=10**9).decode(ImageInput(height=8, width=8, channels=3, fit="pad", background="black"))
print(refused - before, peak() - refused)
"""


def test_a_bomb_of_ten_kilobytes_is_refused_from_its_header() -> None:
    """The last line of the program lets one in, to show that it would have been seen."""
    bomb = encode(Image.new("1", (9000, 9000)))
    assert len(bomb) < 11_000
    program = [
        "sh",
        "-c",
        '"$@"; exit $?',
        "sh",
        sys.executable,
        "-c",
        MEMORY,
    ]  # which begins with its own memory, not ours
    printed = subprocess.run(program, input=bomb, cwd=ROOT, capture_output=True, check=True).stdout.split()
    refused, decoded = map(int, printed)  # MB
    assert refused < 4
    assert decoded > 100


WARNINGS = """
import base64, sys
from service.images import open_picture

for line in sys.stdin.buffer.read().splitlines():
    open_picture(base64.b64decode(line)).describe()
kept = [getattr(module, "__warningregistry__", {}) for module in list(sys.modules.values())]
print(max(map(len, kept)))
"""


def test_what_is_odd_in_pictures_is_neither_printed_nor_kept() -> None:
    """An orientation of several numbers is one thing that Pillow warns of, each count in other words."""
    picture = corner()
    encoded = []
    for count in range(2, 102):
        block = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x0112, 3, count, 26) + bytes(4) + b"\6\0" * count
        encoded.append(base64.b64encode(encode(picture, "JPEG", exif=b"Exif\0\0" + block)))
    program = [sys.executable, "-c", WARNINGS]
    ran = subprocess.run(program, input=b"\n".join(encoded), cwd=ROOT, capture_output=True, check=True)
    assert ran.stderr == b""
    assert int(ran.stdout) < 10


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "ICO"])
def test_formats_that_are_not_offered_are_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="not a picture"):
        open_picture(encode(Image.new("RGB", (16, 16)), kind))


def test_a_palette_picture_without_a_palette_is_broken_and_nothing_more() -> None:
    with pytest.raises(InvalidInput, match="the PNG picture is broken: expected"):
        open_picture(png(b"\0" + bytes(8), colour_type=3)).decode(RGB)


def test_no_damaged_picture_raises_anything_but_invalid_input() -> None:
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        whole = encode(Image.effect_noise((24, 24), 90).convert("RGB"), kind)
        for _ in range(300):
            damaged = bytearray(whole)
            for at in random.integers(0, len(whole), 4):
                damaged[at] = random.integers(256)
            try:
                pixels = open_picture(bytes(damaged)).decode(RGB)
            except InvalidInput:
                continue
            assert pixels.shape == (8, 8, 3)
