"""Memory of a running service: what is unloaded is given back to the system."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.memory import limit, resident
from tests.conftest import ROOT, children, colour_graph, eventually, plain, two_workers, write_colour, write_length
from tests.service.administrator import administered, control
from tests.service.metrics import counted

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
    together = resident({pid, *children(pid)})
    assert together is not None
    return together


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


FREED_IN_A_THREAD = """
import ctypes, os, sys, threading
from service.memory import keep_nothing_large, resident, trim

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype, libc.free.argtypes = [ctypes.c_size_t], ctypes.c_void_p, [ctypes.c_void_p]

def take_and_free():
    for _ in range(2):
        block = libc.malloc(16 << 20)
        ctypes.memset(block, 1, 16 << 20)
        libc.free(block)
    trim()

if "kept" not in sys.argv:
    keep_nothing_large()
before = resident([os.getpid()])
thread = threading.Thread(target=take_and_free)
thread.start()
thread.join()
print(resident([os.getpid()]) - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is kept is glibc's to decide")
def test_a_large_block_that_a_thread_frees_goes_back_to_the_system() -> None:
    def kept(*arguments: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", FREED_IN_A_THREAD, *arguments], cwd=ROOT))

    assert kept() < 2 * MIB
    assert kept("kept") > 14 * MIB  # or there would be nothing to be done about it


def test_scrapes_say_the_memory_of_all_processes(tiny_models: Path) -> None:
    """Within a tenth of what it is before or after: of one of the three processes, or of all as if they shared nothing,
    it would be far from it."""
    with two_workers(tiny_models) as (pid, url):
        assert len({pid, *children(pid)}) == 3

        def agrees() -> bool:
            before, said, after = memory(pid), counted(url, "maxpool_resident_memory_bytes"), memory(pid)
            return 0.9 * min(before, after) < said < 1.1 * max(before, after)

        eventually(agrees)


def test_a_process_that_is_gone_takes_no_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert resident({gone.pid}) is None
    both = resident({gone.pid, os.getpid()})
    assert both is not None
    assert both > MIB


@pytest.mark.parametrize(
    ("files", "bytes_"),
    [
        ({"memory.max": "4294967296\n"}, 4 << 30),
        ({"memory.max": "max\n"}, None),
        ({"memory/memory.limit_in_bytes": "4294967296\n"}, 4 << 30),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({}, None),
    ],
)
def test_the_limit_is_that_of_the_container(tmp_path: Path, files: dict[str, str], bytes_: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert limit(tmp_path) == bytes_
