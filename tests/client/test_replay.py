"""`maxpool replay`, against a real service of two versions of a model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from maxpool_client import Prediction, Refused, Score
from maxpool_client._command import main
from maxpool_client._replay import MOST_DIFFERENT, TIMINGS, Replay, mcnemar, wilson
from onnx import helper, numpy_helper
from PIL import Image

from tests.conftest import colour_graph, encode, plain, serving, write_colour

TOWARDS_GREEN = 1.0  # on the new version's logit, of which a byte is 10 / 255


def greener_graph() -> onnx.ModelProto:
    graph = colour_graph()
    nodes = graph.graph.node
    at = next(place for place, node in enumerate(nodes) if node.op_type == "Softmax")
    nodes.insert(at, helper.make_node("Add", ["logits", "bias"], ["biased"]))
    nodes[at + 1].input[0] = "biased"
    bias = numpy_helper.from_array(np.array([0, TOWARDS_GREEN, 0], np.float32), "bias")
    graph.graph.initializer.append(bias)
    return graph


def write_greener(folder: Path) -> None:
    graph = greener_graph().SerializeToString()
    write_colour(folder, graph)
    golden = folder / "golden" / "golden.json"
    written = json.loads(golden.read_text())
    session = ort.InferenceSession(graph)
    for row in written["rows"]:
        pixels = np.asarray(Image.open(folder / "golden" / row["file"]).convert("RGB"))[None]
        row["scores"] = session.run(None, {"image": pixels})[0][0].tolist()
    golden.write_text(json.dumps(written))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    write_colour(models / "colour" / "1")
    write_greener(models / "colour" / "2")
    with serving(models=models, workers=1) as url:
        yield url


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Nine that both versions answer alike, and one that the new one takes for green."""
    for label, colour in (("red", "red"), ("green", "lime"), ("blue", "blue")):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.png").write_bytes(plain(colour))
    (tmp_path / "red" / "olive.png").write_bytes(encode(Image.new("RGB", (8, 8), (200, 190, 0))))
    return tmp_path


Run = Any


@pytest.fixture
def run(url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def ask(*argv: str) -> tuple[int, str, str]:
        status = main(["replay", "colour", "--url", url, *argv])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ask


BOTH = ("--old-version", "1", "--new-version", "2")


def test_what_two_versions_answer_differently_is_told(run: Run, pictures: Path) -> None:
    status, out, _ = run(str(pictures), *BOTH, "--truth", "--format", "json")
    assert status == 0
    found = json.loads(out)
    assert found["model"] == "colour"
    assert (found["old"]["version"], found["new"]["version"], found["compared"]) == ("1", "2", 10)
    assert found["agreement"] == 0.9
    assert found["changed"] == [{"old": "red", "new": "green", "inputs": 1}]
    first = found["most_different"][0]
    assert first["input"] == str(pictures / "red" / "olive.png")
    assert (first["old"]["label"], first["new"]["label"]) == ("red", "green")
    assert first["shift"] == pytest.approx(found["score_shift"]["max"])
    # by hand: softmax of 10 * (200, 190, 0) / 255, before and after the bias
    before, after = (np.exp([10 * 200 / 255, 10 * 190 / 255 + bias, 0]) for bias in (0.0, TOWARDS_GREEN))
    assert first["shift"] == pytest.approx(before[0] / before.sum() - after[0] / after.sum(), abs=1e-3)
    assert found["latency_ratio"] > 0
    assert found["accuracy"] == {"inputs": 10, "old": 1.0, "new": 0.9, "lost": 1, "won": 0, "p": 1.0}


def test_a_person_reads_the_same(run: Run, pictures: Path) -> None:
    status, out, _ = run(str(pictures), *BOTH, "--truth")
    assert status == 0
    assert "agreement   90.00% (59.58% to 98.21%) give the same label" in out
    assert "accuracy    100.00% (old), 90.00% (new) of 10; lost 1, won 0" in out
    assert "changed     1 x red -> green" in out
    assert "green" in next(line for line in out.splitlines() if line.startswith("different   "))


def test_a_version_agrees_with_itself(run: Run, pictures: Path, url: str) -> None:
    again = ("--old-version", "2", "--new-version", "2", "--new-url", url)
    status, out, err = run(str(pictures), *again, "--format", "json", "--require-agreement", "1")
    found = json.loads(out)
    assert (status, found["agreement"], found["changed"], err) == (0, 1.0, [], "")
    assert found["score_shift"] == {"mean": 0.0, "max": 0.0}


def test_a_pipeline_can_hold_back_a_version(run: Run, pictures: Path) -> None:
    status, _, err = run(str(pictures), *BOTH, "--require-agreement", "0.95", "--require-latency-ratio", "1e-9")
    assert status == 1
    assert "agreement is 0.9, and 0.95 is required" in err
    assert "and at most 1e-09 is required" in err
    status, _, err = run(str(pictures), *BOTH, "--require-agreement", "0.9")
    assert (status, err) == (0, "")


def test_answers_that_were_kept_are_held_against_new_ones(
    run: Run, pictures: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.mktemp("kept") / "answers.jsonl"
    (pictures / "broken.png").write_bytes(b"no picture")
    arguments = ["classify", "colour", str(pictures), "--url", url, "--model-version", "1", "--format", "jsonl"]
    assert main([*arguments, "--out", str(kept)]) == 1
    status, out, _ = run(str(kept), "--recorded", "--format", "json")
    found = json.loads(out)
    assert (found["old"]["version"], found["new"]["version"]) == ("1", "2")  # the highest answers
    assert (found["compared"], found["agreement"]) == (10, 0.9)
    assert (found["old"]["refused"], found["new"]["refused"], status) == (1, 1, 1)
    assert found["latency_ratio"] is None  # the file has no times
    status, _, err = run(str(kept), "--recorded", "--require-latency-ratio", "2")
    assert status == 1
    assert "latency ratio is not known" in err


def test_what_neither_can_answer_is_no_success(run: Run) -> None:
    status, out, err = run("a sentence, for a model of pictures", *BOTH)
    assert (status, err) == (1, "")
    assert "compared    0 inputs; refused by old 1, by new 1" in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("a.png",), "old and new are the same"),
        (("a.png", "--old-version", "1", "--new-version", "1"), "old and new are the same"),
        (("a.png", "b.png", "--recorded"), "takes one file"),
        (("a.jsonl", "--recorded", "--old-version", "1"), "leave out --old-version"),
        (("a.jsonl", "--recorded"), "No such file"),
        (("a.png", "--old-version", "1", "--new-version", "9"), "has no version"),
    ],
)
def test_what_makes_no_sense_is_said(run: Run, argv: tuple[str, ...], said: str) -> None:
    status, _, err = run(*argv)
    assert status == 2
    assert said in err


def test_a_file_that_has_no_answers_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    for line in ("seven", '{"input": "a.png"}', "[]"):
        kept.write_text(f"{line}\n")
        status, _, err = run(str(kept), "--recorded")
        assert status == 2
        assert "answers.jsonl, line 1 is no answer" in err


def answered(label: str, score: float, **others: float) -> Prediction:
    top = (Score(label, 0, score), *(Score(name, 1, each) for name, each in others.items()))
    return Prediction(label, 0, score, top, "m", "1", timing={"infer": score})


def test_what_is_held_does_not_grow_with_the_inputs() -> None:
    found = Replay()
    for number in range(3 * TIMINGS):
        found.add(str(number), answered("a", 0.9), answered("a", 0.9 - number / 1e6))
    assert len(found.new.infer) <= 2 * TIMINGS
    named = [int(each["input"]) for each in found.report()["most_different"]]
    assert named == list(range(3 * TIMINGS - 1, 3 * TIMINGS - 1 - MOST_DIFFERENT, -1))


def test_a_refusal_is_no_disagreement() -> None:
    found = Replay()
    found.add("a", Refused("no picture", 400), answered("a", 0.9))
    found.add("b", answered("a", 0.9), answered("b", 0.8, a=0.2))
    assert (found.compared, found.agreed, found.old.refused, found.new.refused) == (1, 0, 1, 0)
    assert found.report()["score_shift"] == {"mean": pytest.approx(0.7), "max": pytest.approx(0.7)}
    assert Replay().report()["agreement"] is None


def test_intervals_and_chances_are_those_of_the_books() -> None:
    assert wilson(90, 100) == (pytest.approx(0.8256, abs=1e-4), pytest.approx(0.9448, abs=1e-4))
    assert wilson(5, 5)[1] == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)  # 2 * (1 + 10) / 2 ** 10
    assert mcnemar(0, 5000) < 1e-300
