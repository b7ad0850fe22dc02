"""Single rows of the test split as the report shows them: pictures as PNG in the page, sentences as quotations."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scripts.datasets import Split
from scripts.markup import Markup, element
from scripts.reporttables import per_cent

SIDE = 128  # pixels of a shown picture's longer side, or as near as whole steps come
LONGEST = 400  # characters of a shown sentence
Scores = npt.NDArray[Any]  # N x K


def surest_mistakes(scores: Scores, targets: npt.NDArray[np.int64], most: int) -> list[int]:
    """Rows answered wrongly, the highest score first."""
    wrong = np.flatnonzero(scores.argmax(1) != targets)
    return [int(row) for row in wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:most]]


def least_certain_hits(scores: Scores, targets: npt.NDArray[np.int64], most: int) -> list[int]:
    """Rows answered rightly, the lowest score first."""
    right = np.flatnonzero(scores.argmax(1) == targets)
    return [int(row) for row in right[np.argsort(scores[right].max(1), kind="stable")][:most]]


def row_gallery(rows: list[int], split: Split, scores: Scores, labels: tuple[str, ...]) -> Markup:
    """Each with its true label, its answer, the score, and its place in the split."""
    sentences = isinstance(split.rows, list)
    figures = []
    for row in rows:
        answered, true = int(scores[row].argmax()), int(split.targets[row])
        score = per_cent(float(scores[row, answered]))
        told = [element("b", labels[answered]), f" {score}"]
        if answered != true:
            told += [element("br"), "truly ", element("b", labels[true]), f" {per_cent(float(scores[row, true]))}"]
        else:
            second = int(np.argsort(scores[row])[-2])
            told += [element("br"), f"next {labels[second]} {per_cent(float(scores[row, second]))}"]
        told.append(element("small", f"row {row}"))
        shown = (
            element("blockquote", cut(split.rows[row]))
            if sentences
            else picture(split.rows[row], f"row {row}, truly {labels[true]}, answered {labels[answered]}")
        )
        figures.append(element("figure", shown, element("figcaption", *told)))
    return element("div", *figures, class_="sentences" if sentences else "pictures")


def cut(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1] + "…"


def picture(pixels: npt.NDArray[np.uint8], alt: str) -> Markup:
    """H x W x C. A large one is made smaller; the browser enlarges a tiny one by whole steps, crisply."""
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    steps = max(1, SIDE // max(image.size))
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return element(
        "img",
        src=f"data:image/png;base64,{b64encode(file.getvalue()).decode()}",
        width=steps * image.width,
        height=steps * image.height,
        alt=alt,
    )
