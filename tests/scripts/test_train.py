"""Data of one's own, all the way: from files to an answer over HTTP."""

import json
import re
import shutil
from pathlib import Path

import httpx2
import numpy as np
import pytest

from scripts import evaluate, export
from scripts.train import command, main, parse_args
from tests.conftest import serving
from tests.scripts.examples import encoded, picture, reviews, write_csv, write_pictures


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, as people do, with relative paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pictures_of_two_classes_become_an_answer_over_http(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(here / "packed" / "shapes", 60)
    (here / "packed" / "shapes" / "disc" / "note.jpg").write_text("no picture")
    shutil.make_archive("shapes", "zip", here / "packed")
    assert main(["--net", "convnetjs", "--data", "shapes.zip", "--epochs", "8", "--deploy", "shapes"]) == 0
    said = capsys.readouterr().out
    assert "120 pictures of 2 labels: bar 60, disc 60." in said
    assert "1 input left out: disc/note.jpg: " in said
    assert re.search(r"\nbest epoch \d: validation \d+\.\d+% of 16\ntest \d+\.\d+% of 18; nearest class mean", said)
    assert "models/shapes/1 is proven and in place" in said
    assert (here / "runs" / "convnetjs-shapes" / "report.html").exists()
    fresh = {shape: encoded(picture(shape, 77_777)) for shape in ("bar", "disc")}
    with serving(models=here / "models", workers=1) as url:
        for shape, content in fresh.items():
            answer = httpx2.post(f"{url}/v1/models/shapes/predict", content=content).raise_for_status().json()
            assert answer["predictions"][0]["label"] == shape
    model = str(here / "models" / "shapes" / "1")
    assert evaluate.main([model]) == 0
    write_pictures(here / "others" / "train", 8, shapes=("disc", "bar"), seed=3_000)
    write_pictures(here / "others" / "test", 10, shapes=("disc",), seed=4_000)
    capsys.readouterr()
    assert evaluate.main([model, "--data", "others"]) == 0
    assert "others/ test, as the data says, as PNG: accuracy " in capsys.readouterr().out
    write_pictures(here / "others" / "train", 2, shapes=("star",), seed=5_000)
    assert evaluate.main([model, "--data", "others"]) == 2
    assert "others/ has labels that shapes does not know: star" in capsys.readouterr().err


def test_a_table_of_sentences_becomes_an_answer_over_http(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(here / "reviews.csv", reviews(60))
    assert main(["--net", "textcnn", "--data", "reviews.csv", "--epochs", "2", "--deploy"]) == 0
    assert "120 sentences of 2 labels: bad 60, good 60." in capsys.readouterr().out
    spec = json.loads((here / "models" / "textcnn-reviews" / "1" / "model.json").read_text())
    assert spec["training"]["command"] == (
        "python -m scripts.train --net textcnn --data reviews.csv --seed 0 --epochs 2 --out runs/textcnn-reviews"
    )
    with serving(models=here / "models", workers=1) as url:
        answer = httpx2.post(
            f"{url}/v1/models/textcnn-reviews/predict", json={"inputs": ["such a warm film", "a dull, tired plot"]}
        ).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["good", "bad"]


def test_word_vectors_and_another_run_to_start_from(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(here / "reviews.csv", reviews(20))
    random = np.random.default_rng(0)
    words = ["film", "story", "lovely", "dull", "warm", "tired", "the", "is"]
    lines = [f"{word} {' '.join(f'{number:.4f}' for number in random.normal(0, 0.3, 20))}" for word in words]
    (here / "glove.txt").write_text("\n".join(lines) + "\n")
    first = ["--net", "textcnn", "--data", "reviews.csv", "--vectors", "glove.txt", "--epochs", "1"]
    for variant in ("static", "multichannel"):
        assert main([*first, "--variant", variant, "--out", variant, "--deploy", variant]) == 0
    assert re.search(r"\n8 of \d\d words have a vector in glove.txt\n", capsys.readouterr().out)
    moods = [(text, {"good": "glad", "bad": "sad"}[label]) for text, label in reviews(12)]
    write_csv(here / "moods.csv", [*moods, *((f"just a {at}th sentence", "calm") for at in range(8))])
    second = ["--net", "textcnn", "--data", "moods.csv", "--vectors", "glove.txt", "--epochs", "1"]
    assert main([*second, "--init", "static", "--out", "moods", "--deploy", "moods"]) == 0
    assert "7 of 9 tensors come from static; learned anew: output" in capsys.readouterr().out
    assert json.loads((here / "models" / "moods" / "1" / "model.json").read_text())["labels"] == ["calm", "glad", "sad"]


def test_a_run_whose_data_has_changed_is_not_exported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(here / "shapes", 12)
    assert main(["--net", "lenet5", "--data", "shapes", "--epochs", "1", "--out", "run"]) == 0
    assert export.main(["run", "--name", "shapes"]) == 0
    write_pictures(here / "shapes", 3, shapes=("star",), seed=500)
    assert export.main(["run", "--name", "shapes"]) == 2
    assert "shapes has other labels than the run was trained on" in capsys.readouterr().err
    shutil.rmtree(here / "shapes" / "star")
    write_pictures(here / "shapes", 13)
    assert export.main(["run", "--name", "shapes"]) == 2
    assert "shapes has other rows than the run was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--net", "resnet18", "--data", "nowhere"], "there is no nowhere: expected a path, or one of mnist"),
        (["--net", "resnet18", "--data", "reviews.csv"], "has the columns text, label: expected"),
        (["--net", "textcnn", "--data", "shapes"], "shapes is no table that can be read"),
        (["--net", "lenet5", "--data", "empty"], "empty has no pictures: expected a folder per class"),
        (["--net", "lenet5", "--data", "shapes", "--init", "nowhere"], "nowhere has no best.pt and no run.json"),
        (["--net", "textcnn", "--data", "reviews.csv", "--vectors", "gone.txt"], "there is no file gone.txt"),
        (["--net", "textcnn", "--data", "reviews.csv", "--vectors", "reviews.csv"], "is no file of word vectors"),
        (["--net", "lenet5", "--data", "mnist", "--data-dir", "empty"], "train-images-idx3-ubyte.gz is neither in"),
        (["--net", "lenet5", "--data", "mr", "--data-dir", "films"], "mr holds sentences: choose another net"),
    ],
)
def test_what_can_not_be_trained_is_said_in_one_sentence(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(here / "shapes", 6)
    write_csv(here / "reviews.csv", reviews(8))
    (here / "empty").mkdir()
    (here / "films").mkdir()
    for side in ("pos", "neg"):
        (here / "films" / f"rt-polarity.{side}").write_text("".join(f"{side} number {at}\n" for at in range(40)))
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--net", "lenet6", "--data", "mnist"], "invalid choice: 'lenet6'"),
        (["--net", "lenet5"], "--data is needed"),
        (["--net", "lenet5", "--data", "a", "--vectors", "b"], "--vectors are for textcnn"),
        (["--net", "textcnn", "--data", "a", "--variant", "static"], "start from --vectors"),
        (["--net", "lenet5", "--data", "a", "--weights", "imagenet"], "not of lenet5"),
        (["--net", "lenet5", "--data", "a", "--deploy", "My Model"], "a model's name is of lower-case letters"),
        (["--net", "lenet5", "--data", "a", "--epochs", "0"], "--epochs: expected 1 or more"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_before_anything_is_done(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(here.iterdir())


def test_the_recorded_command_can_be_typed_whatever_the_paths_are_called() -> None:
    args = parse_args(["--net", "textcnn", "--data", "my data/a.csv", "--vectors", "my vectors.txt", "--init", "a b"])
    assert command(args) == (
        "python -m scripts.train --net textcnn --data 'my data/a.csv' --seed 0 --vectors 'my vectors.txt' --init 'a b' "
        "--out runs/textcnn-a"
    )
    args = parse_args(["--net", "resnet18", "--weights", "imagenet"])
    assert command(args) == "python -m scripts.train --net resnet18 --weights imagenet --out runs/resnet18-imagenet"
