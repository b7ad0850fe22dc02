"""Official weights, offline: a file of torchvision's keys and shapes with random values goes on to an answer."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from PIL import Image

from nets.resnet import resnet18
from nets.servable import Servable
from scripts import export, golden, train
from scripts.preprocessing import pixels_of
from scripts.weights import WEIGHTS, Weights, choose, imagenet_labels
from service.engine.proof import prove
from service.images import open_picture
from service.spec import ImageInput, read_spec
from tests.conftest import serving
from tests.nets.parity import unlike
from tests.scripts.conftest import Web


@pytest.fixture
def published(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The table's entry of ResNet-18 leads to a local server; what lies there is checked and loaded as ever."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = resnet18(variant="torchvision")
    unlike(net)
    path = web.folder / choose("resnet18").file.name
    torch.save(net.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    here = replace(choose("resnet18").file, url=f"{web.url}/{path.name}", digest=digest)
    entry: dict[str, Weights] = {"V1": replace(choose("resnet18"), file=here)}
    monkeypatch.setitem(WEIGHTS, "resnet18", entry)
    return net.state_dict()


def test_official_weights_are_fetched_once_exported_proven_and_answer_with_imagenet_s_labels(
    published: dict[str, torch.Tensor], web: Web, tmp_path: Path
) -> None:
    command = ["--net", "resnet18", "--weights", "imagenet", "--deploy", "--models", str(tmp_path / "models")]
    assert train.main(command) == 0
    folder = tmp_path / "models" / "resnet18-imagenet" / "1"
    spec = prove(folder, provider="cpu").spec
    assert spec.labels == imagenet_labels()
    assert spec.input == ImageInput(height=224, width=224, channels=3, fit="crop", shorter_side=256, background="white")
    assert spec.metrics == ()
    assert spec.training is not None
    assert "69.758 %" in spec.training.data
    assert "not measured here" in spec.training.data
    assert spec.training.command == (
        "python -m scripts.train --net resnet18 --weights imagenet --out runs/resnet18-imagenet"
    )
    net = resnet18(variant="torchvision")
    net.load_state_dict(published)
    servable = Servable(pixels_of("resnet18", "torchvision"), net).eval()
    ship = golden.encode(golden.ship(320), "JPEG", quality=90)
    with torch.no_grad():
        scores = servable(torch.from_numpy(np.array(open_picture(ship).decode(spec.input)))[None])[0]
    with serving(models=tmp_path / "models", workers=1) as url:
        answer = httpx2.post(f"{url}/v1/models/resnet18-imagenet/predict?top_k=5", content=ship).json()
    (prediction,) = answer["predictions"]
    assert prediction["label"] == imagenet_labels()[int(scores.argmax())]
    for top in prediction["top"]:
        assert top["label"] == imagenet_labels()[top["index"]]
        assert top["score"] == pytest.approx(float(scores[top["index"]]), abs=1e-4)


def test_a_finished_run_is_exported_again_as_the_next_version(
    published: dict[str, torch.Tensor], web: Web, tmp_path: Path
) -> None:
    assert train.main(["--net", "resnet18", "--weights", "imagenet"]) == 0
    run = tmp_path / "runs" / "resnet18-imagenet"
    assert json.loads((run / "run.json").read_text())["net"] == {
        "name": "resnet18",
        "variant": "torchvision",
        "parameters": 11_689_512,
    }
    for _ in range(2):
        assert export.main([str(run), "--name", "photos", "--models", str(tmp_path / "models")]) == 0
    specs = [read_spec(tmp_path / "models" / "photos" / version / "model.json") for version in ("1", "2")]
    assert [spec.version for spec in specs] == ["1", "2"]
    assert specs[0].graph == specs[1].graph
    assert web.asked == [f"/{choose('resnet18').file.name}"]  # the second and third time it was in the cache


def write_photos(folder: Path) -> None:
    """A folder per class: bright and dark noise, larger than the net takes."""
    random = np.random.default_rng(0)
    for label, base in (("bright", 180), ("dark", 10)):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            noise = random.integers(base, base + 60, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((320, 240)).save(folder / label / f"{number}.jpg")


def test_official_weights_go_on_with_one_s_own_pictures_and_only_the_labels_are_learned_anew(
    published: dict[str, torch.Tensor], web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photos(tmp_path / "photos")
    command = ["--net", "resnet18", "--weights", "imagenet", "--data", "photos", "--epochs", "1"]
    assert train.main([*command, "--deploy", "--models", "models"]) == 0
    assert f"120 of 122 tensors come from {choose('resnet18').file.name}; learned anew: fc" in capsys.readouterr().out
    spec = prove(Path("models/resnet18-photos/1"), provider="cpu").spec
    assert spec.labels == ("bright", "dark")
    assert isinstance(spec.input, ImageInput)
    assert (spec.input.height, spec.input.shorter_side) == (224, 256)
    assert spec.training is not None
    assert "--weights imagenet" in spec.training.command
    # Exported once more from what training left, without the weights' file.
    assert export.main(["runs/resnet18-photos", "--name", "resnet18-photos"]) == 0
    again = read_spec(Path("models/resnet18-photos/2/model.json"))
    assert (again.input, again.metrics) == (spec.input, spec.metrics)
    assert len(web.asked) == 1
