import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.engine.header import read_header
from service.engine.proof import prove
from service.engine.registry import Registry
from service.engine.session import PROVIDERS, choose_provider, works
from service.errors import ModelRefused, SettingsError, Unavailable, UnknownModel
from service.metrics import Metrics
from tests.conftest import colour_graph, write_colour, write_length


def spec_with(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_model_that_keeps_its_word_is_proven(tmp_path: Path) -> None:
    proven = prove(write_colour(tmp_path / "colour" / "1"), provider="cpu")
    assert proven.spec.labels == ("red", "green", "blue")
    assert len(proven.golden) == 3
    assert prove(write_length(tmp_path / "length" / "1"), provider="cpu").golden[0].input == "so it goes"


def append_byte(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as graph:
        graph.write(b"\x00")


def flip_byte(folder: Path) -> None:
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "model.onnx").write_bytes(graph)


def wrong_golden(folder: Path) -> None:
    path = folder / "golden" / "golden.json"
    golden = json.loads(path.read_text())
    golden["rows"][0]["scores"] = [0.4, 0.3, 0.3]
    path.write_text(json.dumps(golden))


def short_golden(folder: Path) -> None:
    path = folder / "golden" / "golden.json"
    golden = json.loads(path.read_text())
    golden["rows"][1]["scores"] = [0.4]
    path.write_text(json.dumps(golden))


def golden_outside(folder: Path) -> None:
    path = folder / "golden" / "golden.json"
    golden = json.loads(path.read_text())
    golden["rows"][0]["file"] = "../model.json"
    path.write_text(json.dumps(golden))


def no_golden(folder: Path) -> None:
    (folder / "golden" / "golden.json").write_text('{"tolerance": 0.1, "rows": []}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (append_byte, "bytes"),
        (flip_byte, "sha256"),
        (wrong_golden, "golden answers differ"),
        (short_golden, "row 1 has 1 scores for 3 labels"),
        (golden_outside, "can not be read"),
        (no_golden, "has no rows"),
        (lambda folder: (folder / "model.onnx").unlink(), "missing"),
        (lambda folder: (folder / "model.json").unlink(), "missing"),
        (lambda folder: (folder / "model.json").write_text("{"), "not a valid spec"),
        (lambda folder: spec_with(folder, unheard="of"), "unheard"),
        (lambda folder: spec_with(folder, labels=["red", "green"]), "the spec needs scores"),
        (lambda folder: spec_with(folder, name="color"), "folders must be"),
    ],
)
def test_a_damaged_model_is_refused_with_the_reason(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    folder = write_colour(tmp_path / "colour" / "1")
    damage(folder)
    with pytest.raises(ModelRefused, match=words):
        prove(folder, provider="cpu")


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    graph = colour_graph()
    change(graph)
    return graph.SerializeToString()


def fixed_batch(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (changed(fixed_batch), "fixed batch of 4"),
        (changed(lambda g: setattr(g, "ir_version", 99)), "IR version"),
        (changed(lambda g: g.opset_import.append(helper.make_opsetid("evil.ops", 1))), "evil.ops"),
        (b"<html>not found</html>", "not an ONNX file"),
        (b"", "not an ONNX file"),
        (colour_graph().SerializeToString()[:-40], "cut off"),
    ],
)
def test_a_graph_that_can_not_be_served_is_refused_in_words(tmp_path: Path, graph: bytes, words: str) -> None:
    folder = write_colour(tmp_path / "colour" / "1", graph or b"\x00")
    with pytest.raises(ModelRefused, match=words):
        prove(folder, provider="cpu")


def test_the_header_is_what_onnx_reads() -> None:
    header = read_header(colour_graph().SerializeToString())
    assert header.ir == 10
    assert header.opsets == {"": 20, "ai.onnx.ml": 3, "com.microsoft": 1}


def test_no_random_bytes_break_the_header_reader() -> None:
    random = np.random.default_rng(0)
    for _ in range(500):
        with pytest.raises(ModelRefused):
            read_header(random.bytes(int(random.integers(1, 60))))


def registry(folder: Path) -> Registry:
    loaded = Registry(cpus=1, provider="cpu", queue_rows=8, max_pixels=1000, metrics=Metrics())
    loaded.load(folder)
    return loaded


def test_the_highest_version_answers_and_others_by_name(tmp_path: Path) -> None:
    for version in ("2", "10", "1"):
        write_colour(tmp_path / "colour" / version)
    (tmp_path / "colour" / "latest").mkdir()
    loaded = registry(tmp_path)
    assert loaded.find("colour", None).spec.version == "10"
    assert loaded.find("colour", "2").spec.version == "2"
    with pytest.raises(UnknownModel, match="1, 2, 10"):
        loaded.find("colour", "3")
    assert loaded.ready
    loaded.close()


def test_a_refused_model_leaves_the_others_served(tmp_path: Path) -> None:
    write_length(tmp_path / "length" / "1")
    append_byte(write_colour(tmp_path / "colour" / "1"))
    loaded = registry(tmp_path)
    assert loaded.find("length", None).spec.name == "length"
    assert not loaded.ready
    with pytest.raises(Unavailable):
        loaded.find("colour", None)
    (refused,) = [status for status in loaded.statuses() if status["status"] == "refused"]
    assert "bytes" in refused["reason"]
    loaded.close()


def test_what_nobody_foresaw_is_a_refusal_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_length(tmp_path / "length" / "1")
    deep = write_colour(tmp_path / "colour" / "1") / "golden" / "golden.json"
    deep.write_text("[" * 100_000)  # RecursionError
    loaded = registry(tmp_path)
    assert loaded.find("length", None).spec.name == "length"
    (refused,) = loaded.refused
    assert "the log says why" in refused.reason
    assert "RecursionError" in caplog.text
    loaded.close()


def test_an_empty_folder_is_not_ready_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert not registry(tmp_path).ready
    with pytest.raises(SettingsError, match="MAXPOOL_MODELS"):
        registry(tmp_path / "nothing")


def test_a_provider_that_does_not_work_here_is_refused_by_name() -> None:
    assert choose_provider("cpu") == "cpu"
    assert choose_provider("auto") in PROVIDERS
    with pytest.raises(SettingsError, match="unknown"):
        choose_provider("abacus")
    missing = next(provider for provider in PROVIDERS if not works(provider))
    with pytest.raises(SettingsError, match="does not work here"):
        choose_provider(missing)
