"""How held-out rows fall into bins: the reference of a spec, counted by the service's own code."""

import numpy as np
import numpy.typing as npt

from scripts.datasets import Split
from scripts.measure import encode_rows, rows_of, scores_of
from service.drift import size
from service.engine.session import Session
from service.engine.vocabulary import Vocabulary
from service.reference import Histogram, Reference
from service.spec import ImageInput, ModelSpec

# Close together where nets are: most rows get a score near 1.
CONFIDENCE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
TENTHS = np.linspace(0, 1, 11)[1:-1]
DIGITS = 5


def reference_of(session: Session, graph: bytes, spec: ModelSpec, split: Split) -> Reference:
    """`graph`: the bytes that the session is of; `split`: rows that the net did not learn from."""
    rows = rows_of(encode_rows(split, "PNG"), spec)
    scores = scores_of(session, rows)
    sizes = np.array([size(row) for row in rows])
    pictures = isinstance(spec.input, ImageInput)
    labels = np.bincount(scores.argmax(1), minlength=len(spec.labels))
    return Reference(
        data=split.name,
        n=len(rows),
        label=shares(labels),
        confidence=histogram(scores.max(1).astype(np.float64), CONFIDENCE),
        brightness=histogram(sizes, tenths(sizes)) if pictures else None,
        length=None if pictures else histogram(sizes, tenths(sizes)),
        unknown_words=None if pictures else unknown_share(Vocabulary.of(graph), list(rows)),
    )


def unknown_share(vocabulary: Vocabulary | None, sentences: list[str]) -> float | None:
    """Of all words, not of each sentence's: a short one counts less."""
    if vocabulary is None:
        return None
    known, unknown = np.array([vocabulary.count(sentence) for sentence in sentences]).sum(0).tolist()
    return round(unknown / (known + unknown), DIGITS) if known + unknown else None


def tenths(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Edges between ten bins with as many rows each, fewer where many rows are alike."""
    return tuple(np.unique(np.quantile(values, TENTHS).round(4)).tolist())


def histogram(values: npt.NDArray[np.float64], edges: tuple[float, ...]) -> Histogram:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return Histogram(edges=edges, shares=shares(counts))


def shares(counts: npt.NDArray[np.int64]) -> tuple[float, ...]:
    return tuple((counts / counts.sum()).round(DIGITS).tolist())
