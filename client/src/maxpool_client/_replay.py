"""Two versions' answers to the same inputs, held against each other as they come. Constant memory: what grows with the
inputs are counts, of which there are as many as pairs of labels."""

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any

from ._types import Prediction, Refused

MOST_DIFFERENT = 10  # inputs, that are named
TIMINGS = 4096  # of each, the last ones, of which the median is taken


@dataclass
class Side:
    """One of the two versions."""

    version: str | None = None  # that answered last
    refused: int = 0
    right: int = 0  # of those whose label is known
    infer: list[float] = field(default_factory=list)  # milliseconds of a request's run of the graph

    def add(self, answer: Prediction | Refused) -> None:
        if isinstance(answer, Refused):
            self.refused += 1
            return
        self.version = answer.version
        if "infer" in answer.timing:
            self.infer.append(answer.timing["infer"])
            if len(self.infer) > 2 * TIMINGS:
                del self.infer[:TIMINGS]

    @property
    def infer_ms(self) -> float | None:
        return median(self.infer) if self.infer else None


class Replay:
    def __init__(self) -> None:
        self.old, self.new = Side(), Side()
        self.compared = 0  # inputs that both answered
        self.agreed = 0  # of those, with the same label
        self.changed: Counter[tuple[str, str]] = Counter()  # old label, new label
        self.known = 0  # of those compared, inputs whose label is known
        self.lost = self.won = 0  # inputs that only the old, only the new version answers rightly
        self._shift = self._most = 0.0
        self._different: list[tuple[float, int, str, Prediction, Prediction]] = []
        self._order = count()

    def add(self, name: str, old: Prediction | Refused, new: Prediction | Refused, truth: str | None = None) -> None:
        """`truth`: the label that is right, where it is known."""
        self.old.add(old)
        self.new.add(new)
        if isinstance(old, Refused) or isinstance(new, Refused):
            return
        self.compared += 1
        shift = abs(old.score - score_of(old.label, new))
        self._shift += shift
        self._most = max(self._most, shift)
        if old.label == new.label:
            self.agreed += 1
        else:
            self.changed[old.label, new.label] += 1
        if shift:
            entry = (shift, next(self._order), name, old, new)
            keep = heapq.heappush if len(self._different) < MOST_DIFFERENT else heapq.heappushpop
            keep(self._different, entry)
        if truth is not None:
            self.known += 1
            right = (old.label == truth, new.label == truth)
            self.old.right += right[0]
            self.new.right += right[1]
            self.lost += right == (True, False)
            self.won += right == (False, True)

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.compared if self.compared else None

    @property
    def latency_ratio(self) -> float | None:
        """Of the medians: the new version's runs over the old one's."""
        old, new = self.old.infer_ms, self.new.infer_ms
        return new / old if old and new is not None else None

    def report(self) -> dict[str, Any]:
        """What `--format json` writes."""
        found: dict[str, Any] = {
            "old": side(self.old),
            "new": side(self.new),
            "compared": self.compared,
            "agreement": self.agreement,
            "agreement_interval": wilson(self.agreed, self.compared) if self.compared else None,
            "score_shift": {"mean": self._shift / self.compared, "max": self._most} if self.compared else None,
            "latency_ratio": self.latency_ratio,
            "changed": [{"old": old, "new": new, "inputs": n} for (old, new), n in self.changed.most_common()],
            "most_different": [
                {
                    "input": name,
                    "old": {"label": old.label, "score": old.score},
                    "new": {"label": new.label, "score": new.score},
                    "shift": shift,
                }
                for shift, _, name, old, new in sorted(self._different, key=lambda each: (-each[0], each[1]))
            ],
        }
        if self.known:
            found["accuracy"] = {
                "inputs": self.known,
                "old": self.old.right / self.known,
                "new": self.new.right / self.known,
                "lost": self.lost,
                "won": self.won,
                "p": mcnemar(self.lost, self.won),
            }
        return found


def side(of: Side) -> dict[str, Any]:
    return {"version": of.version, "refused": of.refused, "infer_ms": of.infer_ms}


def score_of(label: str, answer: Prediction) -> float:
    """0 where it is not among the best that were asked for."""
    return next((each.score for each in answer.top if each.label == label), 0.0)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z, share = 1.959964, successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return max(0.0, low), min(1.0, high)


def mcnemar(lost: int, won: int) -> float:
    """The exact two-sided probability of a difference as large as this by chance alone (McNemar 1947)."""
    n, fewer = lost + won, min(lost, won)
    ways = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(fewer + 1))
    return min(1.0, 2 * sum(math.exp(way - n * math.log(2)) for way in ways))
