"""The `inspect` block of a spec: which tensors of the graph a person would want to see, so that nobody has to guess."""

from typing import Literal

import onnx

from nets.textcnn import WIDTHS
from service.engine.session import Session
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
