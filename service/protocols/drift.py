"""What /v1/models/{name} says of drift: how live rows fall beside those of the reference, over all processes."""

import asyncio
import time
from typing import Literal

from pydantic import BaseModel, Field

from service.drift import Finding, Yardstick
from service.engine.model import Model
from service.metrics import Metrics

SECONDS = 1.0  # between two readings of what all processes wrote down


class Bin(BaseModel):
    bin: str = Field(description="a label or several neighbours, or from which value to which")
    reference: float = Field(description="share of the reference's rows")
    live: float = Field(description="share of the rows in the window")


class UnknownWords(BaseModel):
    reference: float
    live: float | None = Field(description="null with too few rows")


class Drift(BaseModel):
    status: Literal["ok", "moderate", "major", "not enough rows", "no reference"]
    rows: int = Field(default=0, description="sampled rows in the window")
    psi: dict[str, float] = Field(default={}, description="of what -> stability index; empty with too few rows")
    unknown_words: UnknownWords | None = Field(default=None, description="share of the words; null for pictures")
    bins: dict[str, list[Bin]] = Field(default={}, description="of what -> each bin")


class DriftReading:
    """The last one, of this process. Who asks while one is made, waits for that one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._at = -SECONDS
        self._last: dict[tuple[str, str], Finding] = {}

    async def of(self, model: Model) -> Drift:
        if model.sampler is None:
            return Drift(status="no reference")
        async with self._lock:
            if time.monotonic() >= self._at + SECONDS:
                self._last = await asyncio.to_thread(self._metrics.drift_findings)
                self._at = time.monotonic()
        yardstick = model.sampler.yardstick
        return tell(yardstick, self._last.get((model.spec.name, model.spec.version)) or yardstick.find({}))


def tell(yardstick: Yardstick, found: Finding) -> Drift:
    known = yardstick.reference.unknown_words
    return Drift(
        status=found.status,
        rows=found.rows,
        psi={of: round(value, 4) for of, value in found.psi.items()},
        unknown_words=None if known is None else UnknownWords(reference=known, live=rounded(found.unknown_words)),
        bins={
            scale.of: [
                Bin(bin=name, reference=round(expected, 4), live=round(share, 4))
                for name, expected, share in zip(
                    scale.bins, scale.shares.tolist(), found.shares[scale.of].tolist(), strict=True
                )
            ]
            for scale in yardstick.scales
        },
    )


def rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
