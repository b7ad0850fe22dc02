import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.bodies import digits, photo, sentences
from benchmarks.ceiling import open_session
from benchmarks.graphs import copies, plain_text_graph, random_model, word_ids
from service.engine.proof import prove


def test_the_plain_sentence_graph_answers_as_the_folded_one() -> None:
    workload = sentences()
    rows = workload.rows()
    plain, folded = open_session(plain_text_graph(workload.model)), open_session(workload.model / "model.onnx")
    found = np.concatenate([plain.run(None, {"ids": ids})[0] for ids in word_ids(workload.model, rows)])
    assert np.abs(found - folded.run(None, {"sentence": rows})[0]).max() < 1e-5
    assert found.std(0).min() > 0


@pytest.mark.parametrize("net", ["lenet5", "resnet20"])
def test_a_net_of_random_weights_is_a_model_like_any_other(net: str, tmp_path: Path) -> None:
    form = {"lenet5": "modern", "resnet20": "paper"}[net]
    folder = random_model(net, form, 30, models=tmp_path, name=f"{net}-random")
    assert len(prove(folder, provider="cpu").spec.labels) == 30
    written = (folder / "model.json").stat().st_mtime_ns
    assert random_model(net, form, 30, models=tmp_path, name=f"{net}-random") == folder
    assert (folder / "model.json").stat().st_mtime_ns == written


def test_copies_of_a_model_are_proven_under_their_own_names(tmp_path: Path) -> None:
    folder = copies(digits().model, 3, tmp_path)
    names = [prove(path, provider="cpu").spec.name for path in sorted(folder.glob("*/1"))]
    assert names == ["lenet5-mnist", "lenet5-mnist-1", "lenet5-mnist-2"]


def test_photos_are_as_large_as_photos_of_their_size() -> None:
    encoded = [photo(seed) for seed in range(3)]
    assert len(set(encoded)) == 3
    for each in encoded:
        assert 60_000 <= len(each) <= 70_000
        assert Image.open(io.BytesIO(each)).size == (500, 375)
