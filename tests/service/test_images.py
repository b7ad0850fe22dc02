import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.errors import InputTooLarge, InvalidInput
from service.images import crop_box, open_picture
from service.spec import ImageInput
from tests.conftest import encode, plain

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


def test_sixteen_bits_keep_their_high_byte() -> None:
    deep = Image.fromarray(np.full((8, 8), 0x80FF, np.uint16))
    assert (decode(deep, GREY) == 0x80).all()
    assert (decode(deep, RGB) == 0x80).all()


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


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "ICO"])
def test_formats_that_are_not_offered_are_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="not a picture"):
        open_picture(encode(Image.new("RGB", (16, 16)), kind))


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
