"""The part of a spec that live traffic is compared with: how rows fell that the net was not trained on.

Written by scripts.reference, compared by service.drift.
"""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from service.part import Part

Share = Annotated[float, Field(ge=0, le=1)]


class Histogram(Part):
    """Bins from each edge, which is in it, to the next; the first and the last are open."""

    edges: tuple[float, ...]
    shares: tuple[Share, ...] = Field(description="of the rows, one more than edges")

    @model_validator(mode="after")
    def _fits(self) -> "Histogram":
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(
                f"{len(self.edges)} edges have {len(self.edges) + 1} bins: found {len(self.shares)} shares"
            )
        if not 0.99 < sum(self.shares) < 1.01:
            raise ValueError(f"the shares sum to {sum(self.shares):g}: expected 1")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("the edges do not grow")
        return self


class Reference(Part):
    data: str = Field(description="which rows: data set and split")
    n: Annotated[int, Field(ge=1)]
    label: tuple[Share, ...] = Field(description="of each label the share of rows that got it, in the spec's order")
    confidence: Histogram = Field(description="the best label's score")
    brightness: Histogram | None = Field(default=None, description="mean pixel of the fitted row, 0 to 1; of pictures")
    length: Histogram | None = Field(default=None, description="characters; of sentences")
    unknown_words: Share | None = Field(
        default=None, description="share of the words that the graph does not know; null where that can not be told"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "Reference":
        if not 0.99 < sum(self.label) < 1.01:
            raise ValueError(f"the shares of the labels sum to {sum(self.label):g}: expected 1")
        return self
