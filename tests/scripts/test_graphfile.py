"""A net over 16 MiB, its weights beside its graph: written, proven, served, and refused where something is off."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from nets.servable import Pixels, Servable
from scripts.datasets import DataSet
from scripts.export import export
from scripts.graphfile import LARGE, PAGE, WEIGHTS, write_graph
from scripts.recipes import RECIPES
from scripts.task import PictureTask
from service.engine.header import external_files
from service.engine.proof import check_unchanged, check_weights, prove
from service.engine.session import Session
from service.errors import ModelRefused
from service.spec import read_spec
from tests.conftest import ROOT, make_model, plain, serving, write_model
from tests.scripts.test_training import run_of

HIDDEN = 24_000  # 8 x 8 x 3 inputs and 3 labels: 18.7 MB


def large_graph() -> onnx.ModelProto:
    """N x 8 x 8 x 3 uint8 -> N x 3."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "hidden"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["relu"]),
        helper.make_node("MatMul", ["relu", "output"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"),
        numpy_helper.from_array(random.normal(0, 0.1, (192, HIDDEN)).astype(np.float32), "hidden"),
        helper.make_tensor(
            "output", TensorProto.FLOAT, (HIDDEN, 3), random.normal(0, 0.02, HIDDEN * 3).astype(np.float32)
        ),
    ]
    return make_model(nodes, helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3]), 3, constants)


def write_large(folder: Path) -> Path:
    model = large_graph()
    inline = Session(model.SerializeToString(), provider="cpu")
    write_model(
        folder,
        b"",
        title="Random",
        task="image-classification",
        labels=("a", "b", "c"),
        input={"kind": "image", "height": 8, "width": 8, "channels": 3, "fit": "stretch", "background": "black"},
    )
    spec_with(folder, graph=write_graph(model, folder).model_dump())
    rows = []
    for colour, value in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (folder / "golden" / f"{colour}.png").write_bytes(plain(colour))
        row = np.full((1, 8, 8, 3), value, np.uint8)
        rows.append({"file": f"{colour}.png", "scores": inline.run(row)[0].tolist()})
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-5, "rows": rows}))
    return folder


def spec_with(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_large_graph_keeps_its_weights_in_a_file_beside_it(tmp_path: Path) -> None:
    model = large_graph()
    before = model.SerializeToString()
    graph = write_graph(model, tmp_path)
    assert model.SerializeToString() == before
    assert graph.weights is not None
    assert (graph.weights.file, graph.weights.bytes) == (WEIGHTS, (tmp_path / WEIGHTS).stat().st_size)
    assert graph.weights.bytes > LARGE > 1_000_000 > graph.bytes
    written = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    outside = [tensor for tensor in written.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    assert [tensor.name for tensor in outside] == ["hidden", "output"]
    for tensor in outside:
        (offset,) = [int(entry.value) for entry in tensor.external_data if entry.key == "offset"]
        assert offset % PAGE == 0
    for old, new in zip(model.graph.initializer, onnx.load(tmp_path / "model.onnx").graph.initializer, strict=True):
        assert np.array_equal(numpy_helper.to_array(old), numpy_helper.to_array(new))


def test_the_same_graph_always_makes_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    assert write_graph(large_graph(), tmp_path) == write_graph(large_graph(), tmp_path / "again")


def test_a_small_graph_is_one_file(tmp_path: Path) -> None:
    path = ROOT / "models" / "lenet5-mnist" / "1" / "model.onnx"
    graph = write_graph(onnx.load(path), tmp_path)
    assert graph.weights is None
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert external_files(path.read_bytes()) == set()


def test_a_large_graph_is_proven_and_served(tmp_path: Path) -> None:
    folder = write_large(tmp_path / "large" / "1")
    golden = prove(folder, provider="cpu").golden
    with serving(models=tmp_path) as url:
        answer = httpx2.post(f"{url}/v1/models/large/predict?top_k=3", content=plain("blue")).json()
    scores = {ranked["index"]: ranked["score"] for ranked in answer["predictions"][0]["top"]}
    assert [scores[at] for at in range(3)] == pytest.approx(golden[1].scores, abs=1e-5)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the maps of a process are Linux's")
def test_a_session_that_packs_no_weights_shares_them_by_mapping(tmp_path: Path) -> None:
    """One to look inside with. The one that serves copies them once, into the order that is fastest to multiply."""
    write_graph(large_graph(), tmp_path)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(tmp_path))
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = ort.InferenceSession((tmp_path / "model.onnx").read_bytes(), options)
    assert str(tmp_path / WEIGHTS) in Path("/proc/self/maps").read_text()
    assert session.run(None, {"image": np.zeros((2, 8, 8, 3), np.uint8)})[0].shape == (2, 3)


def flip_byte(folder: Path) -> None:
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))


def link_elsewhere(folder: Path) -> None:
    outside = folder.parent.parent / "elsewhere"
    (folder / WEIGHTS).rename(outside)
    (folder / WEIGHTS).symlink_to(outside)


def weights_with(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        graph = json.loads((folder / "model.json").read_text())["graph"]
        spec_with(folder, graph={**graph, "weights": {**graph["weights"], **changes}})

    return change


def forget_weights(folder: Path) -> None:
    graph = json.loads((folder / "model.json").read_text())["graph"]
    spec_with(folder, graph={**graph, "weights": None})


def names_file(file: str) -> Callable[[Path], None]:
    """The graph reaches for another file, its own hash in order."""

    def change(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        (location,) = [entry for entry in model.graph.initializer[2].external_data if entry.key == "location"]
        location.value = file
        rewrite(folder, model)

    return change


def hidden_in_a_branch(folder: Path) -> None:
    """A tensor attribute of a node inside an If inside the graph."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    secret = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    secret.external_data.add(key="location", value="/etc/hostname")
    inner = helper.make_graph([helper.make_node("Constant", [], ["out"], value=secret)], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["scale"], ["unused"], then_branch=inner, else_branch=inner))
    rewrite(folder, model)


def all_inline(folder: Path) -> None:
    rewrite(folder, onnx.load(folder / "model.onnx"))


def rewrite(folder: Path, model: onnx.ModelProto) -> None:
    weights = json.loads((folder / "model.json").read_text())["graph"]["weights"]
    (folder / "model.onnx").write_bytes(content := model.SerializeToString())
    small = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    spec_with(folder, graph={**small, "opset": 20, "ir": 10, "weights": weights})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "missing or can not be read .*copy the whole folder"),
        (lambda folder: os.truncate(folder / WEIGHTS, 5000), "have 5000 bytes; model.json expects"),
        (flip_byte, "have sha256 .*restore the file"),
        (link_elsewhere, "symbolic link.*put the file itself there"),
        (weights_with(sha256="0" * 64), "have sha256"),
        (weights_with(bytes=1), "model.json expects 1 bytes"),
        (weights_with(file="../weights"), "graph.weights.file"),
        (weights_with(file="/etc/hostname"), "graph.weights.file"),
        (weights_with(file="sub/weights"), "graph.weights.file"),
        (weights_with(file=".."), "graph.weights.file"),
        (weights_with(file="other"), "reaches for the files .'model.onnx.data'., which model.json does not name"),
        (weights_with(unheard="of"), "unheard"),
        (forget_weights, "reaches for the files .'model.onnx.data'."),
        (names_file("../elsewhere"), "reaches for the files .'../elsewhere'."),
        (names_file("/etc/hostname"), "reaches for the files .'/etc/hostname'."),
        (hidden_in_a_branch, "reaches for the files .'/etc/hostname'."),
        (all_inline, "which the graph does not use"),
    ],
)
def test_weights_that_are_not_the_named_ones_are_refused(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    folder = write_large(tmp_path / "large" / "1")
    damage(folder)
    with pytest.raises(ModelRefused, match=words):
        prove(folder, provider="cpu")


def touched(path: Path) -> None:
    path.touch()


def written_and_put_back(path: Path) -> None:
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[::-1])
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.rename(path)


@pytest.mark.parametrize("change", [touched, written_and_put_back, replaced, Path.unlink])
def test_weights_that_change_between_the_hash_and_the_mapping_are_refused(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    folder = write_large(tmp_path / "large" / "1")
    spec = read_spec(folder / "model.json")
    hashed = check_weights(folder, spec, {WEIGHTS})
    check_unchanged(folder, spec, hashed)
    time.sleep(0.02)  # the clock of the file system has ticks
    change(folder / WEIGHTS)
    with pytest.raises(ModelRefused, match="changed while they were loaded"):
        check_unchanged(folder, spec, hashed)


class Wide(nn.Module):
    """28 x 28 bytes to ten labels through more weights than 16 MiB hold."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 5500), nn.ReLU(), nn.Linear(5500, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x)
        return logits


def test_a_large_net_of_torch_is_exported_with_its_weights_beside_it(tmp_path: Path, tiny_digits: DataSet) -> None:
    torch.manual_seed(0)
    task = PictureTask(Wide(), tiny_digits, RECIPES["lenet5", "mnist"], Pixels())
    folder = tmp_path / "wide" / "1"
    spec = export(task, tiny_digits, run_of(1), name="wide", version="1", folder=folder)
    assert spec.graph.weights is not None
    proven = prove(folder, provider="cpu")
    servable = Servable(task.pixels, task.net, temperature=1.25).eval()
    rows = tiny_digits.test.rows[:5]
    assert proven.session.run(rows) == pytest.approx(servable(torch.from_numpy(rows)).detach().numpy(), abs=1e-5)
