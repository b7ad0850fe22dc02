"""A model that takes a good part of a second a row, for what can only be seen while a request is under way."""

import json
from pathlib import Path

import numpy as np
from onnx import helper as onnx_helper
from onnx import numpy_helper

from tests.conftest import COLOURS, colour_graph, plain, softmax, write_model

SIDE, PRODUCTS = 1024, 12  # of square matrices; about 0.3 s on one thread
ROAD = "/v1/models/slow/predict"


def write_slow(folder: Path, *, products: int = PRODUCTS) -> None:
    """The brightest colour again, after matrix products that add nothing to the answer."""
    model = colour_graph()
    graph = model.graph
    logits = graph.node[-1].input[0]
    nodes = [
        onnx_helper.make_node("ReduceMean", [logits, "columns"], ["seed"], keepdims=1),
        onnx_helper.make_node("Unsqueeze", ["seed", "columns"], ["seeds"]),
        onnx_helper.make_node("Add", ["seeds", "matrix"], ["product 0"]),  # N x 1024 x 1024
        *(
            onnx_helper.make_node("MatMul", [f"product {at}", "matrix"], [f"product {at + 1}"])
            for at in range(products)
        ),
        onnx_helper.make_node("ReduceMax", [f"product {products}", "sides"], ["most"], keepdims=0),
        onnx_helper.make_node("Mul", ["most", "nothing"], ["naught"]),
        onnx_helper.make_node("Unsqueeze", ["naught", "columns"], ["naughts"]),
        onnx_helper.make_node("Add", [logits, "naughts"], ["slow logits"]),
    ]
    graph.node[-1].input[0] = "slow logits"
    last = graph.node.pop()
    graph.node.extend([*nodes, last])
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.eye(SIDE, dtype=np.float32), "matrix"),
            numpy_helper.from_array(np.array([1], np.int64), "columns"),
            numpy_helper.from_array(np.array([1, 2], np.int64), "sides"),
            numpy_helper.from_array(np.array(0.0, np.float32), "nothing"),
        ]
    )
    write_model(
        folder,
        model.SerializeToString(),
        title="The brightest colour, late",
        task="image-classification",
        labels=COLOURS,
        input={"kind": "image", "height": 8, "width": 8, "channels": 3, "fit": "stretch", "background": "black"},
    )
    (folder / "golden" / "red.png").write_bytes(plain("red"))
    rows = [{"file": "red.png", "scores": softmax(10.0, 0.0, 0.0)}]
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "rows": rows}))
