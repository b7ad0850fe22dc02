"""How good an exported graph is, seen through the service's own code from encoded inputs."""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from scripts.calibration import expected_calibration_error
from scripts.confusion import confusion_matrix
from scripts.datasets import Split
from service.engine.session import Scores, Session
from service.images import open_picture
from service.sentences import check_sentence
from service.spec import ImageInput, Metrics, ModelSpec

BATCH = 64
CONFUSED = 20  # labels, at most, of which a spec says what is taken for what


def rows_of(inputs: Sequence[bytes | str], spec: ModelSpec) -> Any:
    """N x H x W x C uint8, or N strings."""
    if isinstance(spec.input, ImageInput):
        return np.stack([open_picture(each).decode(spec.input) for each in inputs if isinstance(each, bytes)])
    return np.array([check_sentence(each, spec.input) for each in inputs if isinstance(each, str)], dtype=object)


def scores_of(session: Session, rows: Any) -> Scores:
    return np.concatenate([session.run(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)])


def encode_rows(split: Split, kind: str) -> list[bytes | str]:
    """Each picture as a file of this kind, JPEG at quality 75, the default of most; sentences as they are."""
    if isinstance(split.rows, list):
        return list(split.rows)
    encoded: list[bytes | str] = []
    for pixels in split.rows:
        file = BytesIO()
        Image.fromarray(pixels.squeeze()).save(file, kind, quality=75)
        encoded.append(file.getvalue())
    return encoded


def measure(session: Session, spec: ModelSpec, split: Split) -> tuple[Metrics, ...]:
    """Pictures as PNG and again as JPEG, sentences once."""
    kinds = ("PNG", "JPEG") if isinstance(spec.input, ImageInput) else ("text",)
    first, *others = (measure_as(kind, session, spec, split) for kind in kinds)
    return first, *(other.model_copy(update={"confusion": None}) for other in others)


def measure_as(kind: str, session: Session, spec: ModelSpec, split: Split) -> Metrics:
    scores = scores_of(session, rows_of(encode_rows(split, kind), spec))
    answers = scores.argmax(1)
    right = answers == split.targets
    of_label = {label: right[split.targets == at] for at, label in enumerate(spec.labels)}
    how = {"PNG": ", as PNG", "JPEG": ", as JPEG of quality 75"}.get(kind, "")
    return Metrics(
        data=split.name + how,
        n=len(right),
        accuracy=round(float(right.mean()), 4),
        interval=wilson(int(right.sum()), len(right)),
        per_label={label: round(float(hits.mean()), 4) for label, hits in of_label.items() if len(hits)},
        ece=round(expected_calibration_error(scores, split.targets), 4),
        confusion=confusion(split.targets, answers, spec.labels) if len(spec.labels) <= CONFUSED else None,
    )


def confusion(targets: Any, answers: Any, labels: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Only what there is, so that a spec stays readable."""
    counts = confusion_matrix(targets, answers, len(labels)).tolist()
    rows = (({answer: n for answer, n in zip(labels, row, strict=True) if n}) for row in counts)
    return {label: row for label, row in zip(labels, rows, strict=True) if row}


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The interval in which the accuracy lies with 95 % confidence (Wilson 1927)."""
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return round(middle - half, 4), round(middle + half, 4)
