"""Kim's CNN taken apart: on one sentence each filter that found something is linear, so a logit is a sum over n-grams,
and over words. Exact: the graph adds up the same products (scripts.textgraph)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.engine.graph import Graph
from service.inspect.evidence import Logits
from service.inspect.layers import Seen, taps

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Filters:
    """Of one width."""

    relu: str  # 1 x positions x maps
    bias: str  # maps
    taps: tuple[str, ...]  # 1 x positions x maps: the share of the word at each place under the filter
    column: int  # of the first in the last layer's weight
    before: int  # words of padding before the sentence


@dataclass(frozen=True)
class Text:
    """Where the graph has what is needed."""

    tokens: str
    ids: str
    unknown: int
    filters: tuple[Filters, ...]
    weight: str
    bias: str

    @property
    def tensors(self) -> list[str]:
        found = [self.tokens, self.ids, self.weight, self.bias]
        for each in self.filters:
            found += [each.relu, each.bias, *each.taps]
        return found


@dataclass(frozen=True)
class Share:
    start: int  # the first of its words
    width: int
    share: float
    filters: int


@dataclass(frozen=True)
class Shares:
    words: Array  # of each word, float64
    padding: float
    constant: float
    ngrams: list[Share]  # the largest first
    ngrams_bias: float
    silent: int  # filters that found nothing anywhere

    @property
    def words_sum(self) -> float:
        return float(self.words.sum()) + self.padding + self.constant

    @property
    def ngrams_sum(self) -> float:
        return sum(each.share for each in self.ngrams) + self.ngrams_bias


def text_of(graph: Graph, layers: list[Seen], logits: Logits | None, maps: Mapping[str, int]) -> Text | None:
    """None for a graph of another make. `maps`: filters of each ReLU by its tensor."""
    output = graph.makers.get(logits.tensor) if logits else None
    tokens = next((node for node in graph.nodes if node.op == "Tokenizer"), None)
    if output is None or output.op != "Gemm" or len(output.inputs) != 3 or not output.number("transB", 0) or not tokens:
        return None
    features = graph.makers.get(output.inputs[0])
    ids = next((node for node in graph.takers.get(tokens.output, []) if node.op == "LabelEncoder"), None)
    if features is None or features.op != "Concat" or ids is None:
        return None
    relus = {graph.makers[seen.layer.tensor].output: seen for seen in layers if seen.layer.op == "Relu"}
    filters: list[Filters] = []
    column = 0
    for name in features.inputs:
        pool = graph.makers.get(name)
        seen = relus.get(pool.inputs[0]) if pool is not None and pool.op == "ReduceMax" else None
        taken = taps(graph, seen.node) if seen else None
        if seen is None or taken is None or seen.layer.pad is None:
            return None
        filters.append(Filters(seen.layer.tensor, *taken, column, seen.layer.pad[0]))
        column += maps[seen.layer.tensor]
    return Text(tokens.output, ids.output, ids.number("default_int64", -1), tuple(filters), *output.inputs[1:])


def shares(text: Text, values: Mapping[str, Array], target: int) -> Shares:
    words = values[text.tokens].shape[1]
    weight = values[text.weight][target].astype(np.float64)  # of each feature
    bias = float(values[text.bias][target])
    of_words = np.zeros(words)
    padding, constant, silent = 0.0, bias, 0
    ngrams: list[Share] = []
    for each in text.filters:
        relu = values[each.relu][0]  # positions x maps
        maps = relu.shape[1]
        best, pooled = relu.argmax(0), relu.max(0)
        active = np.flatnonzero(pooled > 0)
        silent += maps - len(active)
        per_feature = weight[each.column : each.column + maps][active]
        constant += float((per_feature * values[each.bias][active]).sum())
        found = per_feature * pooled[active]
        for position in np.unique(best[active]).tolist():
            here = best[active] == position
            start = position - each.before
            ngrams.append(Share(start, len(each.taps), float(found[here].sum()), int(here.sum())))
        for at, tap in enumerate(each.taps):
            share = per_feature * values[tap][0][best[active], active]
            places = best[active] + at - each.before
            inside = (places >= 0) & (places < words)
            np.add.at(of_words, places[inside], share[inside])
            padding += float(share[~inside].sum())
    ngrams.sort(key=lambda each: -abs(each.share))
    return Shares(of_words, padding, constant, ngrams, bias, silent)
