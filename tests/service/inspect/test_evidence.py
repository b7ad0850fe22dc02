"""Where a logit comes from in graphs of another make: told rightly, or not at all."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine.graph import Graph, promote
from service.engine.session import Session
from service.inspect.evidence import Evidence, chain, explain, head_of, logits_of, needed

CHANNELS, LABELS = 5, 4
RANDOM = np.random.default_rng(0)
ROW = RANDOM.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
TO_MAPS = [
    helper.make_node("Transpose", ["image"], ["bytes"], perm=[0, 3, 1, 2]),
    helper.make_node("Cast", ["bytes"], ["pixels"], to=TensorProto.FLOAT),
    helper.make_node("Conv", ["pixels", "kernel"], ["convolved"], kernel_shape=[2, 2]),
    helper.make_node("Relu", ["convolved"], ["maps"]),  # N x 5 x 7 x 7
]
TURN = [helper.make_node("Transpose", ["maps"], ["turned"], perm=[0, 2, 3, 1])]


def mean(source: str, axes: str, *, keep: bool) -> list[onnx.NodeProto]:
    return [
        helper.make_node("ReduceMean", [source, axes], ["means"], keepdims=int(keep)),
        helper.make_node("Flatten", ["means"], ["features"]),
    ]


def flatten(source: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Flatten", [source], ["features"])]


def found(nodes: list[onnx.NodeProto], features: int) -> tuple[Evidence | None, float]:
    """Of label 1, with its logit."""
    ending = [
        helper.make_node("MatMul", ["features", "weight"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    constants: dict[str, Any] = {
        "kernel": RANDOM.normal(size=(CHANNELS, 3, 2, 2)).astype(np.float32) / 100,
        "weight": RANDOM.normal(size=(features, LABELS)).astype(np.float32),
        "bias": RANDOM.normal(size=LABELS).astype(np.float32),
        "last": np.array([2, 3]),
        "middle": np.array([1, 2]),
        "width": np.array([3]),
    }
    graph = helper.make_graph(
        [*nodes, *ending],
        "foreign",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", LABELS])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()
    read = Graph(model)
    logits = logits_of(read)
    assert logits is not None
    steps = chain(read, logits.tensor)
    names = list(dict.fromkeys([logits.tensor, *(name for node in steps for name in needed(read, node))]))
    session = Session(promote(model, names), provider="cpu")
    values = session.look(names, ROW)
    head = head_of(read, steps, {name: shape for name, (_, shape) in session.outputs.items()})
    logit = float(values[logits.tensor][0, 1])
    return (explain(read, head, values, 1, LABELS) if head else None), logit


@pytest.mark.parametrize(
    ("head", "features"),
    [
        (mean("maps", "last", keep=False), CHANNELS),
        (mean("maps", "last", keep=True), CHANNELS),
        (flatten("maps"), CHANNELS * 49),
    ],
    ids=["mean", "mean kept", "flatten"],
)
def test_maps_with_their_channels_first_add_up(head: list[onnx.NodeProto], features: int) -> None:
    evidence, logit = found(TO_MAPS + head, features)
    assert evidence is not None
    assert evidence.cells.shape == (7, 7)
    assert evidence.sum == pytest.approx(logit, abs=1e-4)


@pytest.mark.parametrize(
    ("nodes", "features"),
    [
        (TO_MAPS + TURN + mean("turned", "middle", keep=False), CHANNELS),
        (TO_MAPS + TURN + mean("turned", "middle", keep=True), CHANNELS),
        (TO_MAPS + TURN + flatten("turned"), CHANNELS * 49),
        (TO_MAPS + mean("maps", "width", keep=False), CHANNELS * 7),
        ([helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT), *flatten("pixels")], 192),
    ],
    ids=["mean", "mean kept", "flatten", "mean of rows", "pixels"],
)
def test_no_map_is_told_where_the_channels_are_last_or_the_mean_is_another(
    nodes: list[onnx.NodeProto], features: int
) -> None:
    assert found(nodes, features)[0] is None
