"""The layers round a foreign classifier, so that it takes bytes and gives scores as our own nets do.

image -> N x C x H x W bytes -> floats -> scaled, shifted -> *the foreign graph* -> N x K -> scores
"""

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from scripts.foreign import Foreign, nodes_of
from scripts.textgraph import IR
from service.spec import Origin

PREFIX = "net/"  # keeps the foreign names apart from ours


def wrap(foreign: Foreign, origin: Origin, *, labels: int) -> onnx.ModelProto:
    """N x H x W x C uint8 `image` -> N x labels `scores`, N dynamic. `foreign` itself is left as it is."""
    model = onnx.ModelProto()
    model.CopyFrom(foreign.model)
    if foreign.batch is not None:
        free_batch(model.graph, foreign.batch)
    graph = compose.add_prefix_graph(model.graph, PREFIX, inplace=True)
    before, constants = front(origin, PREFIX + foreign.input)
    nodes = [*before, *graph.node, *back(PREFIX + foreign.output, origin.appended)]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    shape: tuple[str | int, ...] = ("N", foreign.height, foreign.width, foreign.channels)
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, shape))
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", labels]))
    used = {node.domain for node in nodes_of(graph)} | {""}
    opsets = [each for each in model.opset_import if each.domain in used or each.domain == "ai.onnx"]
    ir = max(IR, helper.find_min_ir_version_for(opsets))
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="maxpool")


def front(origin: Origin, given: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """(byte / 255 * range - mean) / std, as one product and one sum."""
    mean, std = np.array(origin.mean), np.array(origin.std)
    per_channel = (1, -1, 1, 1) if origin.layout == "nchw" else (1, 1, 1, -1)
    constants = {
        "scale": (origin.value_range / 255 / std).reshape(per_channel).astype(np.float32),
        "shift": (-mean / std).reshape(per_channel).astype(np.float32),
    }
    nodes, bytes_ = [], "image"
    if origin.layout == "nchw":
        # The bytes are moved, not the four times larger floats.
        nodes.append(helper.make_node("Transpose", [bytes_], ["bytes"], perm=[0, 3, 1, 2], name="bytes"))
        bytes_ = "bytes"  # N x C x H x W
    if origin.channels_order == "bgr":
        constants["order"] = np.array([2, 1, 0], np.int64)
        axis = 1 if origin.layout == "nchw" else 3
        nodes.append(helper.make_node("Gather", [bytes_, "order"], ["bgr"], axis=axis, name="bgr"))
        bytes_ = "bgr"
    nodes += [
        helper.make_node("Cast", [bytes_], ["pixels"], to=TensorProto.FLOAT, name="pixels"),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"], name="scaled"),
        helper.make_node("Add", ["scaled", "shift"], [given], name="shifted"),
    ]
    return nodes, [numpy_helper.from_array(array, name) for name, array in constants.items()]


def back(output: str, appended: Literal["softmax", "sigmoid"] | None) -> list[onnx.NodeProto]:
    """N x K x 1 x 1, as fully convolutional nets end, or N x K -> N x K."""
    if appended is None:
        return [helper.make_node("Flatten", [output], ["scores"], axis=1, name="scores")]
    flat = helper.make_node("Flatten", [output], ["logits"], axis=1, name="logits")
    if appended == "softmax":
        return [flat, helper.make_node("Softmax", ["logits"], ["scores"], axis=1, name="scores")]
    return [flat, helper.make_node("Sigmoid", ["logits"], ["scores"], name="scores")]


def free_batch(graph: onnx.GraphProto, batch: int) -> None:
    """Let each Reshape to [batch, …] take any number of rows. Whether that is right is seen by running batches."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for at, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[1] not in constants or node.input[0] in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[1]]).copy()
        if not shape.size or shape[0] != batch or (node.attribute and 0 in shape):
            continue
        del node.attribute[:]  # allowzero, which without a zero says nothing
        shape[0] = 0 if -1 in shape else -1  # 0: as many as come in; -1: as many as are left
        graph.initializer.append(numpy_helper.from_array(shape, f"any_batch.{at}"))
        node.input[1] = f"any_batch.{at}"
