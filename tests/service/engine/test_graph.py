"""The tiny reader sees of a graph what onnx sees, and what is promoted comes out."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from service.engine.graph import Graph, promote
from tests.conftest import ROOT, colour_graph

GRAPHS = sorted((ROOT / "models").glob("*/*/model.onnx"))


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.parents[1].name)
def test_nodes_and_constants_are_those_that_onnx_reads(path: Path) -> None:
    read, expected = Graph(path.read_bytes()), onnx.load(path).graph
    assert [(n.op, list(n.inputs), list(n.outputs)) for n in read.nodes] == [
        (n.op_type, list(n.input), list(n.output)) for n in expected.node
    ]
    assert read.constants == {tensor.name: tuple(tensor.dims) for tensor in expected.initializer}
    assert read.outputs == ["scores"]
    for node, theirs in zip(read.nodes, expected.node, strict=True):
        known = {a.name: onnx.helper.get_attribute_value(a) for a in theirs.attribute}
        assert node.attributes == {name: known[name] for name in node.attributes}
        if node.op in ("Conv", "MaxPool", "Gemm"):
            assert node.attributes.keys() == known.keys()


def test_negative_and_packed_attributes_are_read() -> None:
    node = onnx.helper.make_node("Any", ["a"], ["b"], axis=-1, pads=[0, -2], alpha=0.5, mode=b"up")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    (read,) = Graph(model.SerializeToString()).nodes
    assert read.attributes == {"axis": -1, "pads": [0, -2], "alpha": 0.5, "mode": b"up"}
    assert (read.number("axis", 1), read.number("absent", 1), read.numbers("pads")) == (-1, 1, (0, -2))


def test_tensors_and_constants_of_a_graph_can_be_asked_for() -> None:
    model = colour_graph().SerializeToString()
    session = ort.InferenceSession(promote(model, ["scaled", "scale", "logits"]), providers=["CPUExecutionProvider"])
    image = np.full((1, 8, 8, 3), 255, np.uint8)
    scores, scaled, scale, logits = session.run(["scores", "scaled", "scale", "logits"], {"image": image})
    assert (scaled.shape, float(scale)) == ((1, 3, 8, 8), pytest.approx(10 / 255))
    np.testing.assert_allclose(logits, 10, rtol=1e-6)
    np.testing.assert_allclose(scores, 1 / 3, rtol=1e-6)


def test_what_comes_from_constants_alone_is_constant() -> None:
    graph = Graph((ROOT / "models" / "textcnn-mr" / "1" / "model.onnx").read_bytes())
    assert graph.is_constant("table")
    assert not graph.is_constant("looked_up")
    assert [graph.varying(node) for node in graph.nodes if node.op == "Gather"] == [["padded"]]
