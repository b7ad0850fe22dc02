"""The layers that a person sees: those of the spec's `inspect` block, or what is plain to see in a foreign graph."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.engine.graph import Graph, Node
from service.spec import Layer, ModelSpec

OPS = {
    "Conv": "convolution",
    "MaxPool": "max pooling",
    "AveragePool": "average pooling",
    "GlobalAveragePool": "global average pooling",
    "ReduceMean": "global average pooling",
    "Gemm": "fully connected",
    "MatMul": "fully connected",
    "Concat": "concatenation",
    "Add": "sum",
}
POOLINGS = ("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")
MOST = 512  # layers of a foreign graph


@dataclass(frozen=True)
class Seen:
    """A layer with its place in the graph."""

    layer: Layer
    node: Node  # of the operation itself, before its activation
    input: str | None  # id of the layer before it, or of the input; None where several meet
    parameters: int

    @property
    def id(self) -> str:
        return self.layer.id


def layers_of(spec: ModelSpec, graph: Graph) -> list[Seen]:
    """In the graph's order."""
    layers = spec.inspect.layers if spec.inspect else tuple(found_in(graph))
    ids = {layer.tensor: layer.id for layer in layers}
    seen = []
    for layer in layers:
        node = operation(graph, layer)
        seen.append(Seen(layer, node, before(graph, node, ids, spec.input.kind), parameters(graph, layer, node)))
    return seen


def operation(graph: Graph, layer: Layer) -> Node:
    """The node of the layer's operation: that of its tensor, or the one before the activation."""
    node = first = graph.makers[layer.tensor]
    while node.op != layer.op and len(varying := graph.varying(node)) == 1 and varying[0] in graph.makers:
        node = graph.makers[varying[0]]
    return node if node.op == layer.op else first


def before(graph: Graph, node: Node, ids: dict[str, str], kind: str) -> str | None:
    """The one layer, or the input, that all ways back from the node lead to."""
    found: set[str] = set()
    waiting, been = graph.varying(node), set[str]()
    while waiting:
        name = waiting.pop()
        if name in been:
            continue
        been.add(name)
        if name in ids:
            found.add(ids[name])
        elif name not in graph.makers:
            found.add(kind)
        else:
            waiting += graph.varying(graph.makers[name])
    return found.pop() if len(found) == 1 else None


def parameters(graph: Graph, layer: Layer, node: Node) -> int:
    """Trained numbers: the constants of a convolution or of a fully connected layer."""
    if layer.op in ("Conv", "Gemm", "MatMul"):
        return sum(size(shape) for name in node.inputs if (shape := weight_shape(graph, name)) is not None)
    if (found := taps(graph, node)) and layer.weight in graph.constants:
        (maps,) = graph.constants[found[0]]
        return (graph.constants[layer.weight][0] * len(found[1]) + 1) * maps
    return 0


def taps(graph: Graph, relu: Node) -> tuple[str, tuple[str, ...]] | None:
    """Of filters over words: the bias, and for each place under the filter the share of the word there."""
    add = graph.makers.get(relu.inputs[0]) if relu.op == "Relu" else None
    if add is None or add.op != "Add" or len(varying := graph.varying(add)) != 1:
        return None
    total = graph.makers.get(varying[0])
    (bias,) = [name for name in add.inputs if name != varying[0]]
    return (bias, total.inputs) if total is not None and total.op == "Sum" else None


def weight_shape(graph: Graph, name: str) -> tuple[int, ...] | None:
    """Of a constant, also of one that is kept in 8 bits."""
    maker = graph.makers.get(name)
    if maker is not None and maker.op == "DequantizeLinear":
        name = maker.inputs[0]
    return graph.constants.get(name)


def size(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def found_in(graph: Graph) -> Iterator[Layer]:
    """Operations with weights, poolings, and where branches meet; each seen after its ReLU."""
    numbers: dict[str, int] = {}
    ids: dict[str, str] = {}
    for node in graph.nodes:
        varying = graph.varying(node)
        if node.op not in OPS or not varying or sum(numbers.values()) >= MOST:
            continue
        if node.op in ("Add", "Concat") and len(varying) < 2:  # a bias, or shapes put together
            continue
        title = OPS[node.op]
        numbers[title] = number = numbers.get(title, 0) + 1
        takers = graph.takers.get(node.output, [])
        rectified = len(takers) == 1 and takers[0].op == "Relu"
        layer = Layer(
            id=f"{title.split()[0]}{number}",
            title=f"{title} {number}" + (" + ReLU" if rectified else ""),
            tensor=takers[0].output if rectified else node.output,
            op=node.op,
            kernel=node.numbers("kernel_shape"),
            stride=node.numbers("strides"),
            pad=node.numbers("pads"),
            pooled_from=ids.get(varying[0]) if node.op in POOLINGS else None,
            weight=node.inputs[1] if node.op in ("Conv", "Gemm", "MatMul") else None,
        )
        ids[layer.tensor] = layer.id
        yield layer
