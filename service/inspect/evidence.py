"""Which cells of the last maps a logit comes from: gradients in closed form, so that a forward pass is all it takes.

From the maps on, the nets of the lecture are linear but for their ReLUs, which on one input are a mask: the logit is a
sum over the cells plus a constant. That is CAM (Zhou et al. 2016) for a mean and one fully connected layer, and
HiResCAM (Draelos and Carin 2020) for several; Grad-CAM (Selvaraju et al. 2017) is shown beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.engine.graph import Graph, Node

Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[Any, ...]]
MEANS = ("ReduceMean", "GlobalAveragePool")
FORMS = ("Reshape", "Flatten", "Squeeze")
NOTHING = ("Identity", "Dropout", "Cast")
ACTIVATIONS = ("Relu", "Tanh")
LINEAR = ("Gemm", "MatMul", "Add", "Mul", "Div", "Conv", "AveragePool")
TURNED = (0, 3, 1, 2)  # how pixels become maps
PASSED = (*MEANS, *FORMS, *NOTHING, *ACTIVATIONS, *LINEAR)
CURVED = "there is a tanh on the way, so the logit is no sum over the cells: the map is gradient times activation"


@dataclass(frozen=True)
class Logits:
    tensor: str
    temperature: str | None  # name of the constant that divides them


@dataclass(frozen=True)
class Head:
    """What lies between the last maps and the logits."""

    steps: tuple[Node, ...]  # from the logits back
    maps: str

    @property
    def exact(self) -> bool:
        return all(node.op != "Tanh" for node in self.steps)


@dataclass(frozen=True)
class Evidence:
    cells: Array  # H x W, float64
    bias: float
    gradcam: Array  # H x W

    @property
    def sum(self) -> float:
        return float(self.cells.sum() + self.bias)


def logits_of(graph: Graph) -> Logits | None:
    """Before the softmax or sigmoid that gives the scores, and before the temperature."""
    node = graph.makers[graph.outputs[0]]
    while node.op in NOTHING and node.inputs[0] in graph.makers:
        node = graph.makers[node.inputs[0]]
    if node.op not in ("Softmax", "Sigmoid"):
        return None
    tensor = node.inputs[0]
    before = graph.makers.get(tensor)
    if before is not None and before.op == "Div" and graph.is_constant(before.inputs[1]):
        return Logits(before.inputs[0], before.inputs[1])
    return Logits(tensor, None)


def chain(graph: Graph, logits: str) -> list[Node]:
    """The operations from the logits back for as long as there is one way and each can be passed."""
    found: list[Node] = []
    node = graph.makers.get(logits)
    while node is not None and node.op in PASSED:
        varying = graph.varying(node)
        if len(varying) != 1 or (node.op == "Div" and varying[0] != node.inputs[0]):
            break
        if node.op == "MatMul" and varying[0] != node.inputs[0]:
            break
        found.append(node)
        node = graph.makers.get(varying[0])
    return found


def needed(graph: Graph, node: Node) -> Iterator[str]:
    """The tensors by which a step is gone back. Not what is before an activation: fused with it, it is never made."""
    (source,) = graph.varying(node)
    if node.op in ACTIVATIONS:
        yield node.output
    if node.op in (*MEANS, *FORMS, "Conv", "AveragePool"):
        yield source
    if node.op in MEANS:
        yield node.output
    if node.op in LINEAR:
        yield from (name for name in node.inputs if name and name != source)


def head_of(graph: Graph, steps: list[Node], shapes: Shapes) -> Head | None:
    """None where it does not lead back to maps, or these have their channels last. `shapes`: with the batch, of what is
    needed."""
    passed: list[Node] = []
    for node in steps:
        (source,) = graph.varying(node)
        if is_map(shapes.get(node.output)):
            return Head(tuple(passed), node.output) if is_channels_first(graph, node.output) else None
        if node.op in MEANS and not is_of_pictures(shapes.get(source), shapes.get(node.output)):
            return None
        if node.op == "Conv" and not covers(node, shapes.get(source)):
            return None
        if node.op == "AveragePool" and node.numbers("kernel_shape") != (1, 1):
            return None
        passed.append(node)
        if is_map(shapes.get(source)):
            return Head(tuple(passed), source) if is_channels_first(graph, source) else None
    return None


def is_channels_first(graph: Graph, tensor: str) -> bool:
    """As ONNX has what it convolves and pools. A graph that was made for TensorFlow turns its last maps round before it
    flattens them, and then it can not be told which side is which."""
    node = graph.makers.get(tensor)
    while node is not None and node.op not in ("Conv", "MaxPool", "AveragePool"):
        if node.op == "Transpose":
            return node.numbers("perm") == TURNED
        varying = graph.varying(node)
        node = graph.makers.get(varying[0]) if varying else None
    return node is not None  # pixels have their channels last


def is_of_pictures(maps: tuple[Any, ...] | None, means: tuple[Any, ...] | None) -> bool:
    """Whether these are the means over the two last sides."""
    return maps is not None and means is not None and means[1:] in (maps[1:2], (*maps[1:2], 1, 1))


def is_map(shape: tuple[Any, ...] | None) -> bool:
    return (
        shape is not None
        and len(shape) == 4
        and all(isinstance(each, int) for each in shape[1:])
        and shape[2:] != (1, 1)
    )


def covers(node: Node, shape: tuple[Any, ...] | None) -> bool:
    """A convolution with one position is a fully connected layer."""
    return (
        shape is not None
        and tuple(shape[2:]) == node.numbers("kernel_shape")
        and not any(node.numbers("pads") or ())
        and node.number("group", 1) == 1
    )


def explain(graph: Graph, head: Head, values: Mapping[str, Array], target: int, labels: int) -> Evidence:
    """`values`: of the tensors that are needed, with a batch of one."""
    weight: Array = np.zeros(labels, np.float32)
    weight[target] = 1
    bias = 0.0
    for node in head.steps:
        weight, added = back(graph, node, weight, values)
        bias += added
    maps = values[head.maps][0]  # C x H x W
    cells = (weight.astype(np.float64) * maps).sum(0)
    gradcam = np.maximum((weight.mean((1, 2), keepdims=True) * maps).sum(0), 0)
    return Evidence(cells, bias, gradcam)


def back(graph: Graph, node: Node, weight: Array, values: Mapping[str, Array]) -> tuple[Array, float]:
    """What the logit changes by with each value before the node, from what it changes by with each after it; and the
    node's constant part in the logit."""
    (source,) = graph.varying(node)
    constants = [values[name] for name in node.inputs if name and name != source and name in values]
    if node.op in ("Gemm", "MatMul"):
        matrix = constants[0]
        across = weight @ matrix if node.number("transB", 0) else matrix @ weight
        return across * np.float32(node.factor("alpha")), node.factor("beta") * dot(weight, constants[1:])
    if node.op == "Conv":
        return np.tensordot(weight.ravel(), constants[0], 1), dot(weight.ravel(), constants[1:])
    if node.op == "Add":
        return weight, dot(weight, constants)
    if node.op == "Mul":
        return (weight * constants[0]).reshape(weight.shape), 0.0
    if node.op == "Div":
        return (weight / constants[0]).reshape(weight.shape), 0.0
    if node.op == "Relu":
        return weight * (values[node.output][0] > 0), 0.0
    if node.op == "Tanh":
        return weight * (1 - values[node.output][0] ** 2), 0.0
    if node.op in FORMS:
        return weight.reshape(values[source].shape[1:]), 0.0
    if node.op in MEANS:
        maps = values[source]
        share = weight.reshape(-1, 1, 1) / np.float32(maps.shape[2] * maps.shape[3])
        return np.broadcast_to(share, maps.shape[1:]), 0.0
    return weight, 0.0  # Identity and its like


def dot(weight: Array, biases: list[Array]) -> float:
    """With each bias, which is broadcast."""
    return sum(float((weight.astype(np.float64) * bias).sum()) for bias in biases)
