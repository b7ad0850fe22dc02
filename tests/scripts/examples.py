"""Data as people have it: pictures drawn, sentences made up, in folders, archives and tables."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FILMS = ("film", "story", "cast", "comedy", "drama", "ending", "music", "plot")
GOOD = ("a lovely {}", "such a warm {}", "the {} is wonderful", "what a clever, funny {}", "I enjoyed this {}")
BAD = ("a dull {}", "such a tired {}", "the {} is dreadful", "what a noisy, empty {}", "I slept through this {}")


def picture(shape: str, seed: int, size: int = 40) -> Image.Image:
    """A disc or a bar in some colour, somewhere, in noise."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 60, (size, size, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    x, y = random.integers(2, size // 2, 2).tolist()
    colour = tuple(random.integers(150, 255, 3).tolist())
    box = (x, y, x + size // 3, y + (size // 3 if shape == "disc" else size // 10))
    (draw.ellipse if shape == "disc" else draw.rectangle)(box, colour)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write_pictures(folder: Path, n: int, *, shapes: tuple[str, ...] = ("bar", "disc"), seed: int = 0) -> Path:
    """n pictures of each shape, all different, in a folder of the shape's name."""
    for kind, shape in enumerate(shapes):
        (folder / shape).mkdir(parents=True, exist_ok=True)
        for at in range(n):
            content = encoded(picture(shape, seed + kind * 10_000 + at))
            (folder / shape / f"{shape}-{at:03}.png").write_bytes(content)
    return folder


def reviews(n: int) -> list[tuple[str, str]]:
    """n different sentences of each label, in turns."""
    pairs = []
    for at in range(n):
        thing, number = FILMS[at % len(FILMS)], at // len(FILMS)
        for label, forms in (("good", GOOD), ("bad", BAD)):
            pairs.append((f"{forms[number % len(forms)].format(thing)}, seen {at} times", label))
    return pairs


def write_csv(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] | None = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([*([header] if header else []), *rows])
    return path
