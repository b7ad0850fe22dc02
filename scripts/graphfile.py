"""A graph on disk: model.onnx, and beside it the weights of a large one, which every session maps."""

import hashlib
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import set_external_data

from service.spec import Graph, Weights

WEIGHTS = "model.onnx.data"
LARGE = 16 * 1024 * 1024
PAGE = 4096  # bytes; a tensor that begins with a page can be mapped by itself, one that is smaller stays in the graph


def write_graph(model: onnx.ModelProto, folder: Path) -> Graph:
    """Writes model.onnx into the folder, and model.onnx.data where the graph has more than 16 MiB.

    The same graph always makes the same bytes. `model` itself is left as it is.
    """
    written = onnx.ModelProto()
    written.CopyFrom(model)
    weights = move_weights(written, folder / WEIGHTS) if model.ByteSize() > LARGE else None
    graph: bytes = written.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(graph)
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    return Graph(
        sha256=hashlib.sha256(graph).hexdigest(), bytes=len(graph), opset=opset, ir=model.ir_version, weights=weights
    )


def move_weights(model: onnx.ModelProto, path: Path) -> Weights | None:
    """Out of the graph into the file, each from the start of a page. None, and no file, when no weight fills a page."""
    large = [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type != TensorProto.STRING and tensor.ByteSize() >= PAGE
    ]
    if not large:
        return None
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for tensor in large:
            if not tensor.HasField("raw_data"):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            padding = bytes(-size % PAGE)
            set_external_data(tensor, path.name, offset=size + len(padding), length=len(tensor.raw_data))
            for part in (padding, tensor.raw_data):
                file.write(part)
                digest.update(part)
                size += len(part)
            tensor.ClearField("raw_data")
    return Weights(file=path.name, sha256=digest.hexdigest(), bytes=size)
