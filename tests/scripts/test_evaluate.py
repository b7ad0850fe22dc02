from pathlib import Path

import numpy as np
import pytest

from scripts.datasets import DataSet, Split
from scripts.evaluate import held_out, main
from service.spec import Graph, ModelSpec, SentenceInput

LABELS = ("cat", "dog", "bird")
GIVEN = SentenceInput(max_characters=100)
SPEC = ModelSpec(
    name="animals",
    version="1",
    title="Animals",
    task="sentence-classification",
    labels=LABELS,
    input=GIVEN,
    scores="softmax",
    graph=Graph(sha256="0" * 64, bytes=1, opset=20, ir=10),
)


def data(labels: tuple[str, ...], targets: list[int]) -> DataSet:
    test = Split("test", [f"row {at}" for at in targets], np.array(targets, np.int64))
    return DataSet("others", labels, test, test, test, "others", GIVEN)


def test_the_labels_of_other_data_are_numbered_as_the_model_does() -> None:
    assert held_out(SPEC, data(("bird", "cat"), [0, 1, 1, 0])).targets.tolist() == [2, 0, 0, 2]


def test_other_data_with_unknown_labels_or_without_test_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="others has labels that animals does not know: eel"):
        held_out(SPEC, data(("bird", "eel"), [0]))
    with pytest.raises(ValueError, match="has no test rows"):
        held_out(SPEC, data(LABELS, []))


def test_a_folder_without_a_model_is_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "model.json is missing" in capsys.readouterr().err
