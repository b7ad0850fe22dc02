"""A second session of a model, from its own graph with more outputs: what every layer made of one input."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from service.engine.graph import Graph, Node, promote
from service.engine.proof import FileState, check_unchanged, read_graph
from service.engine.rows import stack
from service.engine.session import Session
from service.errors import InferenceFailed
from service.inspect.evidence import MEANS, Head, chain, head_of, is_map, logits_of, needed
from service.inspect.layers import Seen, layers_of, size, taps
from service.inspect.words import Text, text_of
from service.spec import ImageInput, ModelSpec

Array = npt.NDArray[Any]
T = TypeVar("T")
AT_ONCE = 64 * 1024 * 1024  # bytes of maps that one run may give; all of a ResNet-152's are four times as many


@dataclass(frozen=True)
class Maps:
    """A layer's tensor as maps: C x H x W."""

    shape: list[int]  # as the graph has it, without the batch
    values: Array


class View:
    """Used by one thread at a time."""

    def __init__(
        self, spec: ModelSpec, folder: Path, hashed: FileState | None, *, runs: Executor | None = None
    ) -> None:
        """`runs`: where ONNX Runtime is to work, else here.

        Raises ModelRefused when the files are other ones than when the model was proven.
        """
        start = time.perf_counter()
        self._runs = runs
        self.spec = spec
        model = read_graph(folder / "model.onnx", spec)
        self.graph = Graph(model)
        self.layers = layers_of(spec, self.graph)
        self.logits = logits_of(self.graph)
        steps = chain(self.graph, self.logits.tensor) if self.logits else []
        wanted = [seen.layer.tensor for seen in self.layers]
        wanted += [seen.node.inputs[0] for seen in self.layers if seen.layer.op == "MaxPool"]
        wanted += [name for node in steps for name in needed(self.graph, node)]
        first = next((seen for seen in self.layers if seen.layer.op == "Conv"), None)
        # Of a picture net, where its weights are seen as a picture.
        self.first_convolution = first if isinstance(spec.input, ImageInput) else None
        if first:
            wanted.append(first.node.inputs[1])
        if self.logits:
            wanted += [self.logits.tensor, *filter(None, [self.logits.temperature])]
        wanted += text_tensors(self.graph, self.layers)
        self.scores = self.graph.outputs[0]
        promoted = [name for name in dict.fromkeys(wanted) if name != self.scores and name not in ("image", "sentence")]
        make = partial(Session, provider="cpu", folder=folder if spec.graph.weights else None, lean=True)
        self._session = self._there(partial(make, promote(model, promoted)))
        # What is promoted is not fused with what follows any more, which rounds otherwise: then the scores come from a
        # graph that shows its logits alone. Large ones add in another order anyhow, having no room of their own.
        self._served = self._session
        if spec.graph.weights is None and any(is_fused(self.graph, node) for node in self.graph.nodes):
            shown = [self.logits.tensor] if self.logits else []
            self._served = self._there(partial(make, promote(model, shown)))
        weights = spec.graph.weights
        self._weights = np.memmap(folder / weights.file, np.uint8, "r") if weights else None
        check_unchanged(folder, spec, hashed)
        shapes = {name: shape for name, (_, shape) in self._session.outputs.items()}
        self._shapes = shapes
        # A graph that was quantised has no maps that add up.
        plain = spec.graph.quantisation == "none"
        self.head: Head | None = head_of(self.graph, steps, shapes) if plain else None
        self.text: Text | None = None
        if not isinstance(spec.input, ImageInput):
            maps = {seen.layer.tensor: shapes[seen.layer.tensor][-1] for seen in self.layers}
            self.text = text_of(self.graph, self.layers, self.logits, maps)
        self.shown = [seen for seen in self.layers if self._is_shown(seen)]
        self.poolings = [seen for seen in self.shown if self._has_switches(seen)]
        self.seconds_to_make = time.perf_counter() - start

    @property
    def methods(self) -> list[str]:
        found = ["cam"] if self.head else []
        if self.poolings:
            found.append("switches")
        if self.first_convolution:
            found.append("filters")
        if self.text:
            found.append("words")
        if isinstance(self.spec.input, ImageInput) or self.text:
            found.append("occlusion")
        return found

    @property
    def method(self) -> str:
        """How a score is a sum."""
        if self.spec.inspect:
            return self.spec.inspect.method
        if not self.head or not self.head.exact:
            return "textcnn" if self.text else "none"
        if any(node.op in MEANS for node in self.head.steps):
            return "gap_fc"
        return (
            "flatten_fc" if sum(node.op in ("Gemm", "MatMul", "Conv") for node in self.head.steps) == 1 else "mlp_head"
        )

    def _has_switches(self, seen: Seen) -> bool:
        node = seen.node
        return (
            seen.layer.op == "MaxPool" == node.op
            and len(node.numbers("kernel_shape") or ()) == 2
            and set(node.numbers("dilations") or (1,)) == {1}
            and node.attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
            and is_map(self._shapes.get(seen.node.inputs[0]))
        )

    def tensors_of(self, methods: Iterable[str]) -> list[str]:
        """What these methods need, and every answer."""
        names = [self.logits.tensor, *filter(None, [self.logits.temperature])] if self.logits else []
        if self.text:
            names += self.text.tensors if "words" in methods else [self.text.tokens, self.text.ids]
        if self.head and "cam" in methods:
            names.append(self.head.maps)
            names += [name for node in self.head.steps for name in needed(self.graph, node)]
        if self.first_convolution and "filters" in methods:
            names.append(self.first_convolution.node.inputs[1])
        return names

    def run(self, row: Any, names: Iterable[str]) -> dict[str, Array]:
        """Tensors of one row, scores among them, in as few runs as keep the memory bounded."""
        values: dict[str, Array] = {}
        as_served = [self.scores, *([self.logits.tensor] if self.logits else [])]
        names = [*names, *as_served] if self._served is self._session else list(names)
        outside = {name: weight for name in names if (weight := self._weight(name)) is not None}
        for group in self._groups(name for name in names if name not in outside):
            values |= self._look(self._session, group, [row])
        if self._served is not self._session:
            values |= self._look(self._served, as_served, [row])
        return values | outside

    def _weight(self, name: str) -> Array | None:
        """One that lies in the file of weights, as it lies there: a run would copy it."""
        offset = self.graph.offsets.get(name)
        if offset is None or self._weights is None:
            return None
        shape = self.graph.constants[name]
        return self._weights[offset : offset + 4 * size(shape)].view(np.float32).reshape(shape)

    def scores_of(self, rows: Sequence[Any]) -> Array:
        return self._look(self._served, [self.scores], rows)[self.scores]

    def _look(self, session: Session, names: list[str], rows: Sequence[Any]) -> dict[str, Array]:
        try:
            return self._there(partial(session.look, names, stack(list(rows))))
        except Exception as error:
            raise InferenceFailed("the graph failed on a valid input: the log has the details") from error

    def _there(self, work: Callable[[], T]) -> T:
        return self._runs.submit(work).result() if self._runs else work()

    def _groups(self, names: Iterable[str]) -> list[list[str]]:
        groups: list[list[str]] = [[]]
        room = AT_ONCE
        for name in dict.fromkeys(names):
            shape = self._shapes.get(name, ())
            known = [side for side in shape[1:] if isinstance(side, int)]
            needs = 4 * size(tuple(known))
            if needs > room and groups[-1]:
                groups.append([])
                room = AT_ONCE
            groups[-1].append(name)
            room -= needs
        return groups if groups[0] else []

    def maps(self, value: Array) -> Maps:
        """Of one row. A sentence's tensors have the positions before the filters."""
        own = value[0]
        values = own.astype(np.float32, copy=False)
        if values.ndim == 1:
            values = values[:, None, None]
        elif values.ndim == 2:
            values = (values.T if not isinstance(self.spec.input, ImageInput) else values)[:, None, :]
        elif values.ndim != 3:
            values = values.reshape(values.shape[0] if values.ndim else 1, 1, -1)
        return Maps(list(own.shape), values)

    def _is_shown(self, seen: Seen) -> bool:
        """What is no tensor of floats of a row is no layer to look at."""
        kind, shape = self._session.outputs.get(seen.layer.tensor, ("", ()))
        return kind in ("tensor(float)", "tensor(float16)") and 2 <= len(shape) <= 4


def is_fused(graph: Graph, node: Node) -> bool:
    """The sum at the end of a shortcut with the convolution before it, and what computes in 8 bits with all around."""
    return node.op == "DequantizeLinear" or (node.op == "Add" and len(graph.varying(node)) == 2)


def text_tensors(graph: Graph, layers: list[Seen]) -> list[str]:
    """What words.text_of may ask for."""
    wanted = [node.output for node in graph.nodes if node.op in ("Tokenizer", "LabelEncoder")]
    for seen in layers:
        if found := taps(graph, seen.node):
            wanted += [found[0], *found[1]]
    return wanted
