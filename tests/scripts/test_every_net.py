"""Every net in every form: a step of training, export, proof, fp16, and answers over HTTP that are torch's."""

import io
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from scripts import comparison
from scripts.datasets import DataSet, Split
from scripts.export import export
from scripts.loop import train
from scripts.preprocessing import image_input
from scripts.quantize import quantize
from scripts.recipes import Recipe
from scripts.task import (
    VARIANTS,
    PictureTask,
    SentenceTask,
    Task,
    make_picture_task,
    make_sentence_task,
    vocabulary,
)
from scripts.textgraph import word_ids
from scripts.train import trained_parameters
from service.engine.proof import prove
from service.images import open_picture
from service.spec import ImageInput, ModelSpec, SentenceInput
from tests.conftest import serving

FORMS = [(net, variant) for net, variants in VARIANTS.items() for variant in variants]
BETWEEN = {"resnet32", "resnet44", "resnet56", "resnet34", "resnet101"}  # a smaller and a larger one of the same blocks
LABELS = ("dawn", "noon", "dusk")
# Two steps, since the first of a cycle has a rate of zero.
RECIPE = Recipe(epochs=1, batch=2, rate=1e-3, optimizer="sgd")
SENTENCES = ["the morning is still cold", "the sun is high", "it's getting dark", "what a night, what a morning!"]
TOLERANCE = 1e-4
HALF = 5e-3  # in half precision


@dataclass(frozen=True)
class House:
    """A running service, and the folder in which it finds new models."""

    url: str
    models: Path

    def wait_for(self, name: str, version: str) -> None:
        deadline = time.monotonic() + 60
        while (answer := httpx2.get(f"{self.url}/v1/models/{name}")).json().get("version") != version:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)

    def predict(self, name: str, body: bytes, kind: str) -> list[dict[str, Any]]:
        answer = httpx2.post(
            f"{self.url}/v1/models/{name}/predict?top_k={len(LABELS)}", content=body, headers={"content-type": kind}
        )
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        top: list[dict[str, Any]] = prediction["top"]
        return top

    def check_answers(self, name: str, given: list[tuple[bytes, str]], scores: Any, tolerance: float) -> None:
        for (body, kind), expected in zip(given, scores, strict=True):
            top = self.predict(name, body, kind)
            assert expected[top[0]["index"]] > expected.max() - tolerance
            assert [each["label"] for each in top] == [LABELS[each["index"]] for each in top]
            found = {each["index"]: each["score"] for each in top}
            assert found == pytest.approx(dict(enumerate(expected.tolist())), abs=tolerance)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("every")
    (folder / "models").mkdir()
    with serving(models=folder / "models", workers=1, reload_seconds=1) as url:
        yield House(url, folder / "models")
    shutil.rmtree(folder)  # some of the nets are large


def picture_task(net: str, variant: str) -> PictureTask:
    given = image_input(net, variant, None, [32])
    random = np.random.default_rng(0)

    def split(name: str, n: int) -> Split:
        rows = random.integers(0, 256, (n, given.height, given.width, given.channels), dtype=np.uint8)
        return Split(f"noise, {name}", rows, np.arange(n) % len(LABELS))

    parts = (split(name, n) for name, n in (("train", 4), ("validation", 3), ("test", 2)))
    return make_picture_task(net, variant, DataSet("noise", LABELS, *parts, "noise", given), RECIPE)


def sentence_task(variant: Any) -> SentenceTask:
    parts = [Split(name, SENTENCES, np.arange(4) % len(LABELS)) for name in ("train", "validation", "test")]
    data = DataSet("hours", LABELS, *parts, "four sentences", SentenceInput(max_characters=200))
    words = vocabulary(SENTENCES, 1)
    table = None if variant == "rand" else torch.randn(len(words), 50)
    return make_sentence_task(variant, data, RECIPE, words=words, table=table)


def inputs(spec: ModelSpec) -> list[tuple[bytes, str]]:
    """Three, as a client has them, with their content type."""
    if isinstance(spec.input, SentenceInput):
        texts = ("what a cold morning!", "dark", "it’s the sun, and it's high " * 4)
        return [(text.encode(), "text/plain") for text in texts]
    files = []
    for at, (size, mode) in enumerate((((90, 70), "RGB"), ((40, 40), "L"), ((300, 500), "RGB"))):
        noise = np.random.default_rng(at).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize(size).convert(mode).save(file, "PNG")
        files.append((file.getvalue(), "image/png"))
    return files


def rows_of(spec: ModelSpec, given: list[tuple[bytes, str]]) -> Any:
    if isinstance(spec.input, ImageInput):
        return np.stack([open_picture(body).decode(spec.input) for body, _ in given])
    return np.array([body.decode() for body, _ in given], dtype=object)


@torch.no_grad()
def logits_of(task: Task, rows: Any) -> torch.Tensor:
    if isinstance(task, PictureTask):
        logits: torch.Tensor = task.net.eval()(task.pixels(torch.from_numpy(rows)))
        return logits
    assert isinstance(task, SentenceTask)
    logits = task.net.eval()(torch.from_numpy(word_ids(list(rows), task.words)))
    return logits


def run_of(net: str, variant: str, task: Task) -> dict[str, Any]:
    """As scripts.train leaves it. The temperature spreads the scores of a net that has learnt nothing yet: equal scores
    would agree with anything."""
    spread = float(task.logits(task.net, task.data.validation).std(1).mean())
    return {
        "net": {"name": net, "variant": variant, "parameters": trained_parameters(task.net)},
        "calibration": {"temperature": spread / 2, "data": "noise, validation", "ece_before": 0.5, "ece_after": 0.5},
        "baseline": None,
        "training": {
            "data": "noise",
            "split_sizes": task.data.split_sizes,
            "command": "a test",
            "seed": 0,
            "epochs": 1,
            "best_epoch": 1,
            "minutes": 0.0,
            "date": "2026-11-24",
            "packages": {},
            "licence": "ours",
        },
    }


@pytest.mark.timeout(1200)  # the largest nets take minutes where memory is slow
@pytest.mark.parametrize(("net", "variant"), FORMS, ids=lambda word: word)
def test_a_net_trains_exports_quantises_and_answers_as_torch_does(
    net: str, variant: str, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "SECONDS", 0.0)  # the time of a net that has learnt nothing is of no interest
    torch.manual_seed(0)
    task: Task = sentence_task(variant) if net == "textcnn" else picture_task(net, variant)
    before = [parameter.detach().clone() for parameter in task.net.parameters() if parameter.requires_grad]
    done = train(task, task.data, RECIPE, seed=0, path=tmp_path / "checkpoint.pt", resume=False)
    (tmp_path / "checkpoint.pt").unlink()
    after = [parameter for parameter in task.net.parameters() if parameter.requires_grad]
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    task.net.load_state_dict(done.best)

    name, run = f"{net}-{variant}", run_of(net, variant, task)
    folder = house.models / name / "1"
    spec = export(task, task.data, run, name=name, version="1", folder=folder)
    proven = prove(folder, provider="cpu")
    assert proven.spec == spec
    check_inspect(spec, folder / "model.onnx")

    given = inputs(spec)
    rows = rows_of(spec, given)
    scores = torch.softmax(logits_of(task, rows) / run["calibration"]["temperature"], 1).numpy()
    assert np.ptp(scores, 1).max() > 0.1
    assert np.abs(proven.session.run(rows) - scores).max() < TOLERANCE

    house.wait_for(name, "1")
    house.check_answers(name, given, scores, TOLERANCE)
    # The forms of a net have the same kinds of layers. That 8 bits cost little is tested on nets that have learnt.
    if isinstance(task, PictureTask) and variant == VARIANTS[net][0] and net not in BETWEEN:
        half = house.models / name / "2"
        halved = quantize(folder, task.data, kind="fp16", max_loss=100.0, folder=half, command="a test").quantisation
        assert halved is not None
        assert 0.3 < halved.size_ratio < 0.8
        house.wait_for(name, "2")
        house.check_answers(name, given, scores, HALF)
    folder.parent.rename(tmp_path / "answered")  # in one step: the service must not see half of it
    shutil.rmtree(tmp_path / "answered")


def check_inspect(spec: ModelSpec, graph: Path) -> None:
    """Its layers name tensors of the graph, in the graph's order, and each other."""
    assert spec.inspect is not None
    nodes = onnx.load(graph, load_external_data=False).graph
    order = {name: at for at, node in enumerate(nodes.node) for name in node.output}
    constants = {tensor.name for tensor in nodes.initializer}
    places = [order[layer.tensor] for layer in spec.inspect.layers]
    if spec.net is not None and spec.net.name != "textcnn":
        assert places == sorted(set(places))
    ids = [layer.id for layer in spec.inspect.layers]
    assert len(set(ids)) == len(ids)
    for at, layer in enumerate(spec.inspect.layers):
        assert layer.weight is None or layer.weight in constants
        assert layer.pooled_from is None or layer.pooled_from in ids[:at]
