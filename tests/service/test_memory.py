"""Memory of a running service: what is unloaded is given back to the system."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import children, colour_graph, eventually, plain, write_colour, write_length
from tests.service.administrator import administered, control

MIB = 1024 * 1024


def heavy_graph(pieces: int) -> onnx.ModelProto:
    """colour with so many MiB of weights, which have a part in the answer, if one of 0."""
    graph = colour_graph()
    *nodes, softmax = graph.graph.node
    softmax.input[0] = "sum"
    random = np.random.default_rng(0)
    weights = {f"weights{n}": random.normal(size=(256, 1024)).astype(np.float32) for n in range(pieces)}
    constants = {
        "zero": np.zeros(1, np.float32),
        "axis": np.ones(1, np.int64),
        "start": np.zeros(1, np.int64),
        "end": np.full(1, 3, np.int64),
    }
    more = [
        helper.make_node("Mul", ["logits", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing", "axis"], ["index"], keepdims=0),
        helper.make_node("Cast", ["index"], ["whole"], to=TensorProto.INT64),
        *(helper.make_node("Gather", [name, "whole"], [f"row of {name}"], axis=0) for name in weights),
        helper.make_node("Sum", [f"row of {name}" for name in weights], ["row"]),
        helper.make_node("Slice", ["row", "start", "end", "axis"], ["three"]),
        helper.make_node("Mul", ["three", "zero"], ["none"]),
        helper.make_node("Add", ["logits", "none"], ["sum"]),
    ]
    del graph.graph.node[:]
    graph.graph.node.extend([*nodes, *more, softmax])
    constants |= weights
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return graph


def memory(pid: int) -> int:
    """Bytes of all processes of a service, what they share counted once."""
    total = 0
    for process in {pid, *children(pid)}:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        total += 1024 * next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


@pytest.fixture
def heavy(tmp_path: Path) -> Iterator[Path]:
    write_length(tmp_path / "models" / "length" / "1")
    write_colour(tmp_path / "models" / "colour" / "1", heavy_graph(64).SerializeToString())
    yield tmp_path / "models"
    shutil.rmtree(tmp_path / "models")


def test_memory_comes_back_after_unload(heavy: Path) -> None:
    """Weights of 64 MiB: those of the start, which the processes share, and those of a load, of which each has some."""
    with administered(heavy, MAXPOOL_RELOAD_SECONDS="0") as (pid, url):
        assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).status_code == 200
        loaded = memory(pid)
        assert control(url, "colour", "unload").status_code == 200
        eventually(lambda: memory(pid) < loaded - 55 * MIB)
        unloaded = memory(pid)
        for _ in range(2):
            assert control(url, "colour", "load").status_code == 200
            assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).status_code == 200
            assert memory(pid) > unloaded + 180 * MIB
            assert control(url, "colour", "unload").status_code == 200
            eventually(lambda: memory(pid) < unloaded + 40 * MIB)
