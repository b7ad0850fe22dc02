"""The `inspect` block of a spec: which tensors of the graph a person would want to see, so that nobody has to guess."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import onnx

from nets.textcnn import WIDTHS
from service.engine.session import Session
from service.spec import Inspect, Layer

OPS = {
    "Conv": "convolution",
    "MaxPool": "max pooling",
    "AveragePool": "average pooling",
    "ReduceMean": "global average pooling",
    "Gemm": "fully connected",
    "MatMul": "fully connected",
    "Concat": "concatenation",
    "Add": "sum with the shortcut",
    "Div": "response normalisation",
}
POOLINGS = ("MaxPool", "AveragePool", "ReduceMean")
WEIGHTED = ("Conv", "Gemm", "MatMul")
ACTIVATIONS = {"Relu": "ReLU", "Tanh": "tanh"}
SCOPES = "pkg.torch.onnx.name_scopes"  # where the exporter writes which modules of the net a node comes from
MLP_HEADS = ("lenet5", "alexnet")
FLATTENED = ("convnetjs",)  # the others end in a mean over the picture


def inspect_block(net: str, graph: onnx.ModelProto) -> Inspect:
    if net == "textcnn":
        return Inspect(method="textcnn", layers=tuple(layer for width in WIDTHS for layer in text_layers(width)))
    method: Literal["mlp_head", "flatten_fc", "gap_fc"] = "gap_fc"
    if net in MLP_HEADS:
        method = "mlp_head"
    elif net in FLATTENED:
        method = "flatten_fc"
    if any(node.op_type == "Tanh" for node in graph.graph.node):  # then a score is no sum of products
        return Inspect(method="none", layers=tuple(picture_layers(graph)))
    return Inspect(method=method, layers=tuple(picture_layers(graph)))


def text_layers(width: int) -> list[Layer]:
    relu = Layer(
        id=f"conv{width}",
        title=f"{width}-word filters + ReLU",
        tensor=f"relu{width}",
        op="Relu",
        kernel=(width,),
        stride=(1,),
        pad=(4, 5),
        group=f"{width} words",
        weight="taps",
    )
    pool = Layer(
        id=f"pool{width}",
        title="maximum over the sentence",
        tensor=f"pool{width}",
        op="ReduceMax",
        group=f"{width} words",
        pooled_from=f"conv{width}",
    )
    return [relu, pool]


def picture_layers(graph: onnx.ModelProto) -> list[Layer]:
    """The layers in order, each seen after its activation, and where branches meet the concatenation or sum."""
    constants = {tensor.name for tensor in graph.graph.initializer}
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    layers: list[Layer] = []
    numbers: dict[str, int] = {}
    for node in graph.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        module = module_of(node)
        if not is_layer(node, module, constants, attributes):
            continue
        title = OPS[node.op_type]
        numbers[title] = numbers.get(title, 0) + 1
        tensor, activation = activated(node.output[0], takers, constants)
        layers.append(
            Layer(
                id=f"{title.split()[0]}{numbers[title]}",
                title=f"{title} {numbers[title]}"
                + (" of the shortcut" if "downsample" in module else "")
                + (f" + {activation}" if activation else ""),
                tensor=tensor,
                op=node.op_type,
                kernel=tuple(attributes["kernel_shape"]) if "kernel_shape" in attributes else None,
                stride=tuple(attributes["strides"]) if "strides" in attributes else None,
                pad=tuple(attributes["pads"]) if "pads" in attributes else None,
                group=group_of(module),
                pooled_from=next((layer.id for layer in layers if layer.tensor == node.input[0]), None)
                if node.op_type in POOLINGS
                else None,
                weight=node.input[1] if node.op_type in WEIGHTED else None,
            )
        )
    return layers


def module_of(node: onnx.NodeProto) -> str:
    """`net.layer1.0.conv2`; empty for a node that no module made."""
    scopes = {entry.key: entry.value for entry in node.metadata_props}.get(SCOPES, "[]")
    modules: list[str] = ast.literal_eval(scopes)[:-1]  # the last is the node's own name
    return modules[-1] if modules else ""


def is_layer(node: onnx.NodeProto, module: str, constants: set[str], attributes: Mapping[str, object]) -> bool:
    """The helpers of the arithmetic before and inside the layers are none."""
    if node.op_type not in OPS:
        return False
    if node.op_type == "AveragePool":
        return attributes["kernel_shape"] != [1, 1]  # AlexNet's of 2014 pools only pictures that are not 224 x 224
    if node.op_type == "Div":
        return module.endswith("lrn")
    if node.op_type == "Add":
        return not module.endswith("lrn") and not constants & set(node.input)
    return True


def activated(
    tensor: str, takers: Mapping[str, Sequence[onnx.NodeProto]], constants: set[str]
) -> tuple[str, str | None]:
    """What a tensor becomes by its ReLU, or by its tanh and the constants around that; and which it was, if any."""
    seen, activation = tensor, None
    while len(following := takers.get(seen, [])) == 1:
        (node,) = following
        if node.op_type not in (*ACTIVATIONS, "Mul", "Add") or not set(node.input) - {seen} <= constants:
            break
        if activation and node.op_type != "Mul":
            break
        activation = ACTIVATIONS.get(node.op_type, activation)
        seen = node.output[0]
        if node.op_type == "Relu":
            break
    return (seen, activation) if activation else (tensor, None)


def group_of(module: str) -> str | None:
    """The residual block or the inception module of a layer."""
    if block := re.search(r"layer(\d)\.(\d+)", module):
        return f"residual block {block[1]}.{int(block[2]) + 1}"
    inception = re.search(r"inception(\d\w)", module)
    return f"inception {inception[1]}" if inception else None


def remaining(inspect: Inspect, graph: bytes) -> Inspect:
    """The layers whose tensors a quantised graph still has. A score is no exact sum of products there, so `method` is
    none."""
    read = onnx.load_from_string(graph)
    made = {name for node in read.graph.node for name in node.output}
    constants = {tensor.name for tensor in read.graph.initializer}
    layers: list[Layer] = []
    for layer in inspect.layers:
        if layer.tensor not in made:
            continue
        # An int8 weight is seen as the floats that it means.
        names = (layer.weight, f"{layer.weight}_DequantizeLinear_Output")
        weight = next((name for name in names if name in made | constants), None)
        pooled = layer.pooled_from if layer.pooled_from in {kept.id for kept in layers} else None
        layers.append(layer.model_copy(update={"weight": weight, "pooled_from": pooled}))
    read.graph.output.extend(onnx.ValueInfoProto(name=layer.tensor) for layer in layers)
    seen = Session(read.SerializeToString(), provider="cpu").outputs
    return Inspect(method="none", layers=tuple(layer for layer in layers if layer.tensor in seen))
