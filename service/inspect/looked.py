"""One input under a view: what is asked for is checked, and fetched in one go."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from service.engine.rows import Row
from service.errors import InvalidInput
from service.inspect.evidence import Evidence, explain
from service.inspect.layers import Seen
from service.inspect.question import TOP, Question
from service.inspect.switches import Switches, switches
from service.inspect.view import Maps, View

Array = npt.NDArray[Any]
LAYERS = 8  # with pixels, in one answer
CHANNELS = 64  # of each
UNITS = 4096  # of a vector
PILOTS, PILOT_SECONDS = 3, 0.05


class Looked:
    def __init__(self, view: View, row: Row, question: Question) -> None:
        """Raises InvalidInput, InferenceFailed."""
        self.view, self.row, self.question = view, row, question
        self.methods = self._methods()
        asked = self._asked()
        self.shown = view.shown if question.layers is None else asked
        self.pooled = [seen for seen in asked or view.shown if "switches" in self.methods and seen in view.poolings]
        names = [seen.layer.tensor for seen in self.shown]
        names += [name for seen in self.pooled for name in (seen.node.inputs[0], seen.node.output)]
        names += view.tensors_of(self.methods)
        start = time.perf_counter()
        self.values = view.run(row.row, names)  # with the batch of one
        self.run_seconds = time.perf_counter() - start
        self.scores = self.values[view.scores][0]
        self.logits = self.values[view.logits.tensor][0] if view.logits else None
        self.target = self._target()

    def _methods(self) -> list[str]:
        have = self.view.methods
        if self.question.every_method:
            return have
        if unknown := set(self.question.methods) - set(have):
            raise InvalidInput(
                f"{self.view.spec.name} has no {', '.join(sorted(unknown))} to show: expected of "
                f"{', '.join(have) or 'none'}"
            )
        return list(self.question.methods)

    def _asked(self) -> list[Seen]:
        if not self.question.layers:
            return []
        have = {seen.id: seen for seen in self.view.shown}
        if unknown := [each for each in self.question.layers if each not in have]:
            raise InvalidInput(
                f"{self.view.spec.name} has no layer {', '.join(map(repr, unknown))[:200]}: expected of "
                f"{', '.join(have)}, or summary, or none"
            )
        if len(self.question.layers) > LAYERS:
            raise InvalidInput(f"{len(self.question.layers)} layers are asked for: at most {LAYERS}; ask several times")
        return [seen for seen in self.view.shown if seen.id in self.question.layers]

    def _target(self) -> int:
        labels, asked = self.view.spec.labels, self.question.target
        if asked == TOP:
            return int(self.scores.argmax())
        if asked in labels:
            return labels.index(asked)
        if asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked) < len(labels):
            return int(asked)
        named = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
        raise InvalidInput(
            f"target {asked[:64]!r} is no label ({named}) and no index below {len(labels)}: expected one"
        )

    def value(self, name: str) -> Array:
        return self.values[name]

    def maps(self, seen: Seen) -> Maps:
        return self.view.maps(self.values[seen.layer.tensor])

    def logit(self, index: int) -> float | None:
        return None if self.logits is None else float(self.logits[index])

    def most_channels_of(self, maps: Maps) -> int:
        return UNITS if maps.values.shape[1:] == (1, 1) else CHANNELS

    @property
    def temperature(self) -> float | None:
        logits = self.view.logits
        if logits is None:
            return None
        return float(self.values[logits.temperature].ravel()[0]) if logits.temperature else 1.0

    def channels(self, seen: Seen, count: int, *, most: int = CHANNELS) -> tuple[int, int]:
        """From and to below which, of a layer with so many. Raises InvalidInput."""
        given = self.question.channels
        if given is None:
            return 0, min(count, most)
        low, high = given
        if not low < high <= count:
            raise InvalidInput(
                f"channels={low}:{high} is out of bounds for {seen.id}, which has {count}: expected a:b with "
                f"0 <= a < b <= {count}"
            )
        if high - low > most:
            raise InvalidInput(
                f"channels={low}:{high} are {high - low} of {seen.id}: at most {most}; ask several times"
            )
        return low, high

    def evidence(self) -> Evidence:
        head = self.view.head
        assert head is not None
        return explain(self.view.graph, head, self.values, self.target, len(self.scores))

    def scores_of(self, rows: list[Any]) -> Array:
        """Of other inputs."""
        return self.view.scores_of(rows)

    def seconds_a_row(self) -> float:
        """Of this input, now: a long sentence takes longer than a short one, and all do where others are at work. The
        quickest of a few, since small nets take less than what may come between."""
        taken: list[float] = []
        while len(taken) < PILOTS and sum(taken) < PILOT_SECONDS:
            start = time.perf_counter()
            self.scores_of([self.row.row])
            taken.append(time.perf_counter() - start)
        return min(taken)

    def switches(self, seen: Seen, channels: tuple[int, int]) -> Switches:
        before, after = (self.values[name][0, slice(*channels)] for name in (seen.node.inputs[0], seen.node.output))
        kernel = seen.node.numbers("kernel_shape") or ()
        return switches(
            before, after, kernel, seen.node.numbers("strides") or (1, 1), seen.node.numbers("pads") or (0, 0, 0, 0)
        )

    @property
    def tokens(self) -> list[str] | None:
        """None for a graph of which they can not be told."""
        text = self.view.text
        return [str(token) for token in self.values[text.tokens][0]] if text else None

    @property
    def known(self) -> list[bool] | None:
        text = self.view.text
        return [bool(known) for known in np.asarray(self.values[text.ids][0]) != text.unknown] if text else None
