"""The `inspect` block of a spec: which tensors of the graph a person would want to see, so that nobody has to guess."""

from typing import Literal

import onnx

from nets.textcnn import WIDTHS
from service.spec import Inspect, Layer

OPS = {"Conv": "convolution", "MaxPool": "max pooling", "Gemm": "fully connected", "MatMul": "fully connected"}
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
    """Convolutions and poolings in order, each convolution seen after its ReLU."""
    after = {node.input[0]: node for node in graph.graph.node}
    layers: list[Layer] = []
    numbers = {op: 0 for op in OPS}
    for node in graph.graph.node:
        if node.op_type not in OPS:
            continue
        numbers[node.op_type] += 1
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        following = after.get(node.output[0])
        relu = following is not None and following.op_type == "Relu"
        pooling = node.op_type == "MaxPool"
        layers.append(
            Layer(
                id=f"{OPS[node.op_type].split()[0]}{numbers[node.op_type]}",
                title=f"{OPS[node.op_type]} {numbers[node.op_type]}" + (" + ReLU" if relu else ""),
                tensor=following.output[0] if relu and following is not None else node.output[0],
                op=node.op_type,
                kernel=tuple(attributes["kernel_shape"]) if "kernel_shape" in attributes else None,
                stride=tuple(attributes["strides"]) if "strides" in attributes else None,
                pad=tuple(attributes["pads"]) if "pads" in attributes else None,
                pooled_from=layers[-1].id if pooling and layers else None,
                weight=None if pooling else node.input[1],
            )
        )
    return layers
