"""A models folder with two tiny real graphs, the app in process, and real servers as a user starts them."""

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ROOT = Path(__file__).parent.parent
COLOURS = ("red", "green", "blue")
LENGTHS = ("short", "long")


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, kind, **options)
    return encoded.getvalue()


def plain(colour: str, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    return encode(Image.new("RGB", size, colour), kind)


def colour_graph() -> onnx.ModelProto:
    """Which channel is the brightest: the mean of each, softmax. N x 8 x 8 x 3 uint8 -> N x 3."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["bytes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bytes"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    scale = numpy_helper.from_array(np.array(10 / 255, np.float32), "scale")
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])
    return make_model(nodes, image, 3, [scale])


def length_graph() -> onnx.ModelProto:
    """Whether a sentence has more than three words. N strings -> N x 2."""
    nodes = [
        helper.make_node(
            "Tokenizer",
            ["sentence"],
            ["words"],
            domain="com.microsoft",
            tokenexp=r"[^\s]+",
            mark=0,
            mincharnum=1,
            pad_value="",
        ),
        helper.make_node(
            "LabelEncoder",
            ["words"],
            ["ones"],
            domain="ai.onnx.ml",
            keys_strings=[""],
            values_floats=[0.0],
            default_float=1.0,
        ),
        helper.make_node("ReduceSum", ["ones", "axis"], ["count"], keepdims=1),
        helper.make_node("Sub", ["three", "count"], ["short"]),
        helper.make_node("Sub", ["count", "three"], ["long"]),
        helper.make_node("Concat", ["short", "long"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.array([[3.5]], np.float32), "three"),
    ]
    return make_model(nodes, helper.make_tensor_value_info("sentence", TensorProto.STRING, ["N"]), 2, constants)


def make_model(nodes: list[Any], given: Any, labels: int, constants: list[Any]) -> onnx.ModelProto:
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", labels])
    opsets = [
        helper.make_opsetid(domain, version) for domain, version in (("", 20), ("ai.onnx.ml", 3), ("com.microsoft", 1))
    ]
    graph = helper.make_graph(nodes, "tiny", [given], [scores], constants)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def softmax(*logits: float) -> list[float]:
    powers = np.exp(np.array(logits) - max(logits))
    return [float(score) for score in powers / powers.sum()]


def write_model(folder: Path, graph: bytes, **spec: Any) -> Path:
    """A version folder whose model.json names the graph it has."""
    (folder / "golden").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph)
    written = {
        "name": folder.parent.name,
        "version": folder.name,
        "scores": "softmax",
        "graph": {"sha256": hashlib.sha256(graph).hexdigest(), "bytes": len(graph), "opset": 20, "ir": 10},
        **spec,
    }
    (folder / "model.json").write_text(json.dumps(written))
    return folder


def write_colour(folder: Path, graph: bytes | None = None) -> Path:
    write_model(
        folder,
        graph or colour_graph().SerializeToString(),
        title="The brightest colour",
        task="image-classification",
        labels=COLOURS,
        input={"kind": "image", "height": 8, "width": 8, "channels": 3, "fit": "stretch", "background": "black"},
    )
    rows = []
    for index, colour in enumerate(("red", "lime", "blue")):
        (folder / "golden" / f"{colour}.png").write_bytes(plain(colour))
        rows.append({"file": f"{colour}.png", "scores": softmax(*(10.0 * (index == i) for i in range(3)))})
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "rows": rows}))
    return folder


def write_length(folder: Path) -> Path:
    write_model(
        folder,
        length_graph().SerializeToString(),
        title="Short or long",
        task="sentence-classification",
        labels=LENGTHS,
        input={"kind": "sentence", "max_characters": 2000},
    )
    (folder / "golden" / "sentences.json").write_text(json.dumps(["so it goes", "a film that goes on and on"]))
    rows = [{"sentence": 0, "scores": softmax(0.5, -0.5)}, {"sentence": 1, "scores": softmax(-3.5, 3.5)}]
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "rows": rows}))
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_colour(folder / "colour" / "1")
    write_length(folder / "length" / "1")
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(**settings: object) -> Iterator[str]:
    """`python -m service` with these MAXPOOL_ settings; its URL. Ended by SIGTERM, which it must obey."""
    port = settings.pop("port", None) or free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAXPOOL_")}
    environ |= {f"MAXPOOL_{name.upper()}": str(value) for name, value in settings.items()} | {"MAXPOOL_PORT": str(port)}
    environ.setdefault("MAXPOOL_GRPC_PORT", "0")  # the default one may be another server's
    environ.setdefault("MAXPOOL_DRAIN_SECONDS", "0")
    process = subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/healthz"), process)
        yield url
    finally:
        process.terminate()
        assert process.wait(30) in (0, -15)


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@contextmanager
def started(
    models: Path, *, workers: int, command: tuple[str, ...] = (sys.executable, "-m", "service"), **settings: str
) -> Iterator[tuple[int, str]]:
    """The process id and the URL of a service."""
    port = free_port()
    ours = {"MAXPOOL_PORT": str(port), "MAXPOOL_GRPC_PORT": "0", "MAXPOOL_DRAIN_SECONDS": "0"}
    environ = {**os.environ, **ours, **settings, "MAXPOOL_MODELS": str(models)}
    with subprocess.Popen(command, cwd=ROOT, env={**environ, "MAXPOOL_WORKERS": str(workers)}) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: answers(f"{url}/healthz"), process)
            yield process.pid, url
        finally:
            process.terminate()


two_workers = partial(started, workers=2)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, f"the server ended with {process.returncode}"
        assert time.monotonic() < deadline, "the server did not answer in time"
        time.sleep(0.05)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="session")
def tiny_url(tiny_models: Path) -> Iterator[str]:
    """A server of the tiny models, two worker processes, the smaller limits of the tests."""
    with serving(models=tiny_models, workers=2, max_inputs=32, max_body_bytes=4 * 1024 * 1024) as url:
        yield url


@pytest.fixture(scope="session")
def service_url() -> Iterator[str]:
    """A server of the committed models, as `python -m service` starts it."""
    with serving(models=ROOT / "models") as url:
        yield url


def write_spoiled(folder: Path) -> None:
    """A good model, and one whose graph is not the one that its spec names."""
    write_length(folder / "length" / "1")
    spoiled = write_colour(folder / "colour" / "1") / "model.onnx"
    spoiled.write_bytes(spoiled.read_bytes() + b"\x00")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The public data sets, where MAXPOOL_DATA or a shared folder has them."""
    for folder in (os.environ.get("MAXPOOL_DATA"), ROOT.parent / "shared" / "data", ROOT / "data"):
        if folder and (Path(folder) / "mnist").is_dir():
            return Path(folder)
    pytest.skip("no data folder: set MAXPOOL_DATA to one with mnist/, cifar10/ and sentences/")
