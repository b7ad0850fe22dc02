"""The client against `python -m service`: the tiny models of the tests, and the models that are committed."""

import json
from pathlib import Path

import maxpool_client
import pytest
from maxpool_client import Client, Health, Picture, Prediction, Refused, Sentence
from PIL import Image

from .conftest import Caller

MODELS = Path(__file__).parents[2] / "models"


def test_a_picture_of_every_kind_is_classified(call: Caller, tiny_url: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "red")
    image.save(tmp_path / "red.jpg")
    answer = call(tiny_url, lambda c: c.classify("colour", tmp_path / "red.jpg", top_k=2))
    assert (answer.label, answer.index, len(answer.top)) == ("red", 0, 2)
    assert answer.input == Picture(format="JPEG", width=20, height=10, mode="RGB", orientation=1)
    assert {"decode", "queue", "infer"} <= answer.timing.keys()
    assert call(tiny_url, lambda c: c.classify("colour", image)).label == "red"


def test_a_sentence_is_classified(call: Caller, tiny_url: str) -> None:
    answer = call(tiny_url, lambda c: c.classify("length", "a film that goes on and on"))
    assert (answer.label, answer.version, answer.model) == ("long", "1", "length")
    assert isinstance(answer.input, Sentence | None)


def test_more_inputs_than_the_service_takes_at_once_are_all_answered(call: Caller, tiny_url: str) -> None:
    sentences = ["so it goes", "a film that goes on and on"] * 50
    answers = call(tiny_url, lambda c: c.classify("length", sentences))
    assert [answer.label for answer in answers] == ["short", "long"] * 50


def test_a_body_larger_than_the_service_takes_is_sent_in_parts(call: Caller, tiny_url: str) -> None:
    noise = Image.effect_noise((1200, 1200), 100).convert("RGB")  # about 1.5 MB each, 4 MiB at most together
    answers = call(tiny_url, lambda c: c.classify("colour", [noise] * 6))
    assert [type(answer) for answer in answers] == [Prediction] * 6


def test_a_bad_picture_is_refused_in_its_place(call: Caller, tiny_url: str) -> None:
    answers = call(tiny_url, lambda c: c.classify("colour", [Image.new("RGB", (8, 8), "blue"), b"no picture"]))
    assert answers[0].label == "blue"
    assert isinstance(answers[1], Refused)
    assert answers[1].code == 400
    assert isinstance(call(tiny_url, lambda c: c.classify("colour", [b"no picture"]))[0], Refused)


def test_what_the_service_refuses_is_raised(call: Caller, tiny_url: str) -> None:
    with pytest.raises(maxpool_client.UnknownModel):
        call(tiny_url, lambda c: c.classify("nothing", b"x"))
    with pytest.raises(maxpool_client.UnknownModel):
        call(tiny_url, lambda c: c.classify("length", "so it goes", version=9))
    with pytest.raises(maxpool_client.InvalidInput) as caught:
        call(tiny_url, lambda c: c.classify("colour", "so it goes"))
    assert caught.value.status == 415


def test_models_are_listed_and_described(call: Caller, tiny_url: str) -> None:
    assert call(tiny_url, lambda c: c.health()) == Health(ready=True)
    assert [model.name for model in call(tiny_url, lambda c: c.models())] == ["colour", "length"]
    assert call(tiny_url, lambda c: c.model("colour")).labels == ("red", "green", "blue")
    with pytest.raises(maxpool_client.UnknownModel):
        call(tiny_url, lambda c: c.model("nothing"))


def test_committed_models_answer_their_golden_inputs(service_url: str) -> None:
    with Client(service_url) as client:
        for model in client.models():
            golden = MODELS / model.name / str(model.version) / "golden"
            rows = json.loads((golden / "golden.json").read_text())["rows"]
            if "file" in rows[0]:
                answers = client.classify(model.name, [golden / row["file"] for row in rows])
            else:
                sentences = json.loads((golden / "sentences.json").read_text())
                answers = client.classify(model.name, [sentences[row["sentence"]] for row in rows])
            for row, answer in zip(rows, answers, strict=True):
                assert isinstance(answer, Prediction)
                assert answer.score == pytest.approx(max(row["scores"]), abs=1e-3)
