import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from scripts.datasets import DataSet
from scripts.export import export
from scripts.inspection import remaining
from scripts.loop import train
from scripts.quantize import Format, QuantizeRefused, main, quantize, tolerance_of
from scripts.recipes import RECIPES
from scripts.task import make_picture_task
from service.engine.proof import prove
from service.engine.session import Session
from service.spec import read_spec
from tests.conftest import ROOT, encode, serving
from tests.scripts.conftest import tiny_colours
from tests.scripts.test_training import run_of


@pytest.fixture(scope="module")
def data() -> DataSet:
    return tiny_colours()


@pytest.fixture(scope="module")
def model(data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bars/1: a ConvNetJS net that was trained for a moment."""
    folder = tmp_path_factory.mktemp("models") / "bars" / "1"
    recipe = replace(RECIPES["convnetjs", "cifar10"], epochs=8, batch=20, jpeg=0.0, flip=False)
    torch.manual_seed(0)
    task = make_picture_task("convnetjs", "demo", data, recipe)
    done = train(task, data, recipe, seed=0, path=folder.parents[1] / "checkpoint.pt", resume=False)
    task.net.load_state_dict(done.best)
    net = {"net": {"name": "convnetjs", "variant": "demo", "parameters": 22_466}}
    export(task, data, run_of(done.best_epoch) | net, name="bars", version="1", folder=folder)
    write_golden(folder, data)
    return folder


def write_golden(folder: Path, data: DataSet) -> None:
    """Bars, which the net was trained on, in the place of ships, between which it can hardly decide."""
    shutil.rmtree(folder / "golden")
    (folder / "golden").mkdir()
    session = Session((folder / "model.onnx").read_bytes(), provider="cpu")
    rows = []
    for label in range(10):
        row = data.train.rows[data.train.targets == label][0]
        (folder / "golden" / f"{label}.png").write_bytes(encode(Image.fromarray(row)))
        rows.append({"file": f"{label}.png", "scores": session.run(row[np.newaxis])[0].tolist()})
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "rows": rows}))


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "models" / "bars" / "1"))


def spoil(model: Path) -> None:
    """The first map of conv1 is made dead, and what looks at it huge: floats do not care, a scale a filter does."""
    graph = onnx.load(model / "model.onnx")
    arrays = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in graph.graph.initializer}
    arrays["net.conv1.weight"][0] = 0
    arrays["net.conv1.bias"][0] = -1
    arrays["net.conv2.weight"][:, 0] = 20_000
    for tensor in graph.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    written = graph.SerializeToString()
    (model / "model.onnx").write_bytes(written)
    spec = json.loads((model / "model.json").read_text())
    spec["graph"] |= {"sha256": hashlib.sha256(written).hexdigest(), "bytes": len(written)}
    (model / "model.json").write_text(json.dumps(spec))


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_a_quantised_version_is_proven_and_says_what_it_costs(copied: Path, data: DataSet, kind: Format) -> None:
    folder = copied.with_name("2")
    spec = quantize(copied, data, kind=kind, max_loss=5, folder=folder, command="a test")
    proven = prove(folder, provider="cpu")
    assert proven.spec == spec == read_spec(folder / "model.json")
    source, told = read_spec(copied / "model.json"), spec.quantisation
    assert told is not None
    assert spec.parity is not None
    assert (spec.version, spec.graph.quantisation, told.source) == ("2", kind, "bars/1")
    assert (told.n, told.accuracy_before) == (len(data.test), source.metrics[0].accuracy)
    assert told.rows_lost - told.rows_won == round((told.accuracy_before - spec.metrics[0].accuracy) * told.n)
    assert told.size_ratio == round(spec.graph.bytes / source.graph.bytes, 3) < 0.7
    assert told.time_ratio.keys() == {"1", "32"}
    before = Session((copied / "model.onnx").read_bytes(), provider="cpu")
    rows = data.validation.rows
    assert np.abs(proven.session.run(rows) - before.run(rows)).max() == pytest.approx(spec.parity.max_difference)
    assert 1e-4 <= json.loads((folder / "golden" / "golden.json").read_text())["tolerance"] < 0.1
    for old, new in zip(prove(copied, provider="cpu").golden, proven.golden, strict=True):
        assert old.input == new.input
        assert np.argmax(old.scores) == np.argmax(new.scores)


def test_both_versions_are_served_and_answer_alike(copied: Path, data: DataSet) -> None:
    quantize(copied, data, kind="int8", max_loss=5, folder=copied.with_name("2"), command="a test")
    picture = (copied / "golden" / "3.png").read_bytes()
    with serving(models=copied.parents[1]) as url:
        answers = [
            httpx2.post(f"{url}/v1/models/bars{version}/predict", content=picture).json()
            for version in ("", "/versions/1")
        ]
        shown = httpx2.get(f"{url}/v1/models/bars").json()
    assert [answer["version"] for answer in answers] == ["2", "1"]
    assert len({answer["predictions"][0]["label"] for answer in answers}) == 1
    assert "bars/1" in json.dumps(shown)


def test_every_inspected_tensor_is_in_the_quantised_graph(copied: Path, data: DataSet) -> None:
    spec = quantize(copied, data, kind="int8", max_loss=5, folder=copied.with_name("2"), command="a test")
    source = read_spec(copied / "model.json").inspect
    assert spec.inspect is not None
    assert source is not None
    assert [layer.id for layer in spec.inspect.layers] == [layer.id for layer in source.layers]
    graph = onnx.load(copied.with_name("2") / "model.onnx")
    names = {name for layer in spec.inspect.layers for name in (layer.tensor, layer.weight) if name}
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    assert names <= Session(graph.SerializeToString(), provider="cpu").outputs.keys()
    foreign = source.layers[0].model_copy(update={"tensor": "nowhere"})
    kept = remaining(source.model_copy(update={"layers": (foreign, *source.layers[1:])}), graph.SerializeToString())
    assert [layer.id for layer in kept.layers] == [layer.id for layer in source.layers[1:]]
    assert kept.layers[0].pooled_from is None


def test_a_loss_over_the_limit_is_refused_with_numbers_and_leaves_nothing(copied: Path, data: DataSet) -> None:
    spoil(copied)
    with pytest.raises(QuantizeRefused, match=r"costs \d+\.\d\d points .* on 100 rows of .*--max-loss.*fp16"):
        quantize(copied, data, kind="int8", max_loss=0.5, folder=copied.with_name("2"), command="a test")
    with pytest.raises(QuantizeRefused, match="more than -1"):
        quantize(copied, data, kind="fp16", max_loss=-1, folder=copied.with_name("2"), command="a test")
    assert [path.name for path in copied.parents[1].rglob("*") if path.is_dir()] == ["bars", "1", "golden"]


def test_a_golden_label_that_would_change_is_refused(copied: Path, data: DataSet) -> None:
    quantize(copied, data, kind="int8", max_loss=5, folder=copied.with_name("2"), command="a test")
    before, after = (prove(copied.with_name(version), provider="cpu").session for version in ("1", "2"))
    noise = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    at = int(np.flatnonzero(before.run(noise).argmax(1) != after.run(noise).argmax(1))[0])
    (copied / "golden" / "3.png").write_bytes(encode(Image.fromarray(noise[at])))
    with pytest.raises(QuantizeRefused, match=r"golden 3\.png would get another label"):
        quantize(copied, data, kind="int8", max_loss=5, folder=copied.with_name("3"), command="a test")
    assert not copied.with_name("3").exists()


def test_half_precision_holds_what_int8_can_not(copied: Path, data: DataSet) -> None:
    spoil(copied)
    spec = quantize(copied, data, kind="fp16", max_loss=1, folder=copied.with_name("2"), command="a test")
    assert prove(copied.with_name("2"), provider="cpu").spec == spec


def test_what_can_not_be_quantised_is_told_why(copied: Path, data: DataSet) -> None:
    with pytest.raises(SystemExit, match="sentence model has nothing to gain"):
        main([str(ROOT / "models" / "textcnn-mr" / "1")])
    with pytest.raises(SystemExit, match="the float model itself"):
        main([str(copied), "--models", str(copied.parents[1]), "--version", "1", "--replace"])
    with pytest.raises(SystemExit, match="say --data"):
        main([str(copied), "--models", str(copied.parents[1])])
    quantize(copied, data, kind="fp16", max_loss=5, folder=copied.with_name("2"), command="a test")
    with pytest.raises(QuantizeRefused, match="fp16 already"):
        quantize(copied.with_name("2"), data, kind="int8", max_loss=5, folder=copied.with_name("3"), command="")
    other = replace(data, labels=("a", *data.labels[1:]))
    with pytest.raises(QuantizeRefused, match="labels"):
        quantize(copied, other, kind="int8", max_loss=5, folder=copied.with_name("3"), command="a test")


@pytest.mark.parametrize(("seen", "tolerance"), [(0.0, 1e-4), (0.0062, 0.02), (0.0026, 0.006), (0.001, 0.002)])
def test_the_golden_tolerance_is_twice_what_was_seen_rounded_up(seen: float, tolerance: float) -> None:
    assert tolerance_of(seen) == tolerance
