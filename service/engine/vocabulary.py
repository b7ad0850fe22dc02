"""Which words of a sentence the graph does not know, by its own tokenising and look-up, which are all that is run."""

import numpy as np

from service.engine.graph import Graph, cut
from service.engine.session import Session

LONGEST = 1000  # characters; tokenising more would hold the event loop for half a millisecond


class Vocabulary:
    """The front of a graph whose words become whole numbers, one of which stands for all unknown ones."""

    def __init__(self, graph: bytes, ids: str, unknown: int) -> None:
        self._session = Session(cut(graph, ids), provider="cpu", lean=True)
        self._ids = ids
        self._unknown = unknown

    @classmethod
    def of(cls, model: bytes) -> "Vocabulary | None":
        """None for a graph that has no such front."""
        graph = Graph(model)
        tokens = next((node for node in graph.nodes if node.op == "Tokenizer"), None)
        takers = graph.takers.get(tokens.output, []) if tokens else []
        ids = next((node for node in takers if node.op == "LabelEncoder"), None)
        if ids is None or not isinstance(unknown := ids.attributes.get("default_int64"), int):
            return None
        return cls(model, ids.output, unknown)

    def count(self, sentence: str) -> tuple[int, int]:
        """Known and unknown words among the first characters. Raises whatever ONNX Runtime raises."""
        rows = np.array([sentence[:LONGEST]], dtype=object)
        ids = self._session.look([self._ids], rows)[self._ids]
        unknown = int((ids == self._unknown).sum())
        return ids.size - unknown, unknown
