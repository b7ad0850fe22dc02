"""Golden inputs, as a client would send them: digits set in a font, scenes drawn by hand, sentences of our own."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SENTENCES = {
    "mr": [
        "A warm, funny and beautifully acted film.",
        "Two hours of noise and not one good joke.",
        "A tender and moving story with a wonderful cast.",
        "It’s dull, lifeless and far too long.",
        "Don't miss this clever, touching little comedy!",
    ],
    "trec": [
        "Who painted the ceiling of the Sistine Chapel?",
        "How many legs does a spider have?",
        "Where is the highest waterfall in the world?",
        "What does NATO stand for?",
        "What is a black hole?",
        "What animal sleeps standing up?",
    ],
}


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    encoded = BytesIO()
    picture.save(encoded, kind, **options)
    return encoded.getvalue()


def pictures(data: str) -> dict[str, bytes]:
    """File name -> encoded picture."""
    if data in ("mnist", "fashion-mnist"):
        files = {f"digit-{number}.png": encode(digit(number), "PNG") for number in range(10)}
        return files | {"digit-3.jpg": encode(digit(3).resize((84, 84)), "JPEG", quality=90)}
    return {
        "ship.png": encode(ship(32), "PNG"),
        "airplane.png": encode(airplane(32), "PNG"),
        "truck.jpg": encode(truck(32), "JPEG", quality=90),
        "ship-large.jpg": encode(ship(320), "JPEG", quality=90),
    }


def digit(number: int) -> Image.Image:
    """White on black in 28 x 28, the figure about 20 high in the middle, as MNIST has them."""
    large = Image.new("L", (280, 280))
    font = ImageFont.load_default(size=250)
    draw = ImageDraw.Draw(large)
    if number == 1:  # people write it as a stroke, fonts with a flag and a foot
        draw.line((155, 30, 125, 250), fill=255, width=26)
    elif number == 6:  # and a six as a stroke that ends in a small loop
        draw.arc((90, 20, 330, 330), 180, 250, fill=255, width=26)
        draw.ellipse((90, 140, 195, 250), outline=255, width=26)
    else:
        draw.text((140, 140), str(number), fill=255, font=font, anchor="mm", stroke_width=4)
    box = large.getbbox()
    assert box is not None
    figure = large.crop(box)
    figure = figure.resize((max(4, round(figure.width * 20 / figure.height)), 20), Image.Resampling.LANCZOS)
    small = Image.new("L", (28, 28))
    small.paste(figure, ((28 - figure.width) // 2, 4))
    return small


def scene(sky: str, ground: str, horizon: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (320, 320), sky)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, round(320 * horizon), 320, 320), ground)
    return picture, draw


def ship(size: int) -> Image.Image:
    picture, draw = scene("#b9d3ea", "#1f5f8b", 0.62)
    draw.polygon([(30, 175), (290, 175), (255, 235), (65, 235)], "#27303a")
    draw.rectangle((95, 130, 225, 175), "#f2f2f2")
    draw.rectangle((130, 95, 190, 130), "#e4e4e4")
    draw.rectangle((150, 60, 170, 95), "#b3261e")
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def airplane(size: int) -> Image.Image:
    picture, draw = scene("#8fc1ee", "#8fc1ee", 1.0)
    draw.ellipse((40, 140, 285, 180), "#eef1f4")
    draw.polygon([(150, 160), (190, 160), (120, 250), (95, 250)], "#c5ccd4")
    draw.polygon([(150, 150), (180, 150), (140, 80), (120, 80)], "#d5dbe2")
    draw.polygon([(50, 155), (80, 155), (55, 95), (35, 95)], "#c5ccd4")
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def truck(size: int) -> Image.Image:
    picture, draw = scene("#c9d6de", "#6b6b6b", 0.75)
    draw.rectangle((25, 80, 205, 225), "#e8e8e8")
    draw.polygon([(205, 120), (265, 120), (300, 170), (300, 225), (205, 225)], "#c62828")
    draw.polygon([(218, 132), (258, 132), (280, 165), (218, 165)], "#1c2b36")
    for x in (60, 135, 235):
        draw.ellipse((x, 200, x + 52, 252), "#161616")
        draw.ellipse((x + 16, 216, x + 36, 236), "#8a8a8a")
    return picture.resize((size, size), Image.Resampling.LANCZOS)
