"""A version that can not be loaded, of whatever kind: it is counted once, and says nothing of the machine."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine import registry as registries
from service.engine.registry import Registry
from service.engine.schedule import within
from service.engine.state import Refused
from service.metrics import Metrics
from tests.conftest import write_colour, write_length


def cut_off(version: Path) -> None:
    file = version / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1])


def no_graph(version: Path) -> None:
    (version / "model.onnx").unlink()


def no_onnx(version: Path) -> None:
    write_again(version, b"this is no graph")


def no_json(version: Path) -> None:
    (version / "model.json").write_text("{")


def no_spec(version: Path) -> None:
    (version / "model.json").unlink()


def unknown_key(version: Path) -> None:
    spec = json.loads((version / "model.json").read_text())
    (version / "model.json").write_text(json.dumps({**spec, "surprise": 1}))


def no_golden(version: Path) -> None:
    shutil.rmtree(version / "golden")


def other_scores(version: Path) -> None:
    golden = json.loads((version / "golden" / "golden.json").read_text())
    golden["rows"][0]["scores"] = golden["rows"][0]["scores"][::-1]
    (version / "golden" / "golden.json").write_text(json.dumps(golden))


def a_folder(version: Path) -> None:
    (version / "model.onnx").unlink()
    (version / "model.onnx").mkdir()


def write_again(version: Path, graph: bytes) -> None:
    shutil.rmtree(version)
    write_colour(version, graph)


BAD = [cut_off, no_graph, no_onnx, no_json, no_spec, unknown_key, no_golden, other_scores, a_folder]


@pytest.fixture
def registry() -> Registry:
    return Registry(cpus=1, provider="cpu", queue_rows=8, max_pixels=1000, metrics=Metrics())


def failures(registry: Registry) -> dict[str, float]:
    (metric,) = (each for each in registry._metrics.registry.collect() if each.name == "maxpool_model_load_failures")
    return {each.labels["model"]: each.value for each in metric.samples if each.name.endswith("_total")}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_each_bad_reload_counts_one_and_leaves_the_old_one(
    registry: Registry, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    models = tmp_path / "models"
    write_colour(models / "colour" / "1")
    write_length(models / "length" / "1")
    registry.load(models)
    assert failures(registry) == {}
    spoil(write_colour(models / "colour" / "2"))
    registry.load(models)
    assert failures(registry) == {"colour": 1}
    assert registry.find("colour", None).spec.version == "1"
    reason = registry.state.versions["colour", "2"].reason
    assert reason
    assert str(tmp_path) not in reason
    assert os.fspath(Path(registries.__file__).parent) not in reason
    registry.load(models)  # nothing has changed
    assert failures(registry) == {"colour": 1}
    registry.apply(registry.look(models, registry.state, again="colour"))  # asked for by the administrator
    assert failures(registry) == {"colour": 2}


def test_a_failure_that_nobody_foresaw_counts_and_its_text_stays_inside(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(registries, "prove", fail)
    write_colour(tmp_path / "colour" / "1")
    registry.load(tmp_path)
    assert failures(registry) == {"colour": 1}
    assert "inside" not in registry.state.versions["colour", "1"].reason
    assert "RuntimeError: inside" in caplog.text


def test_what_several_processes_refuse_counts_once(registry: Registry) -> None:
    registry.count_failures(
        [Refused("colour", "2", "so"), Refused("colour", "2", "or so"), Refused("length", "1", "so")]
    )
    assert failures(registry) == {"colour": 1, "length": 1}


def test_the_queue_of_a_process_is_that_of_all_its_models(registry: Registry, tmp_path: Path) -> None:
    write_colour(tmp_path / "colour" / "1")
    write_length(tmp_path / "length" / "1")
    registry.load(tmp_path)
    assert registry.queue_seconds == 0
    batchers = [registry.find(name, None).batcher for name in ("colour", "length")]
    for each in batchers:
        each.admit(4, within(60))
    assert registry.queue_seconds == pytest.approx(sum(each.queue_seconds for each in batchers))
    assert registry.queue_seconds > 0
