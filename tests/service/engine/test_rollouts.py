"""A process's rollouts, from files to who answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.engine.registry import Registry
from service.engine.rollout import Verdict
from service.engine.tally import PLACES, Count
from service.errors import NotFound
from service.metrics import Metrics
from tests.conftest import write_colour
from tests.service.candidates import ask_for, write_versions


@pytest.fixture
def registry() -> Registry:
    return Registry(cpus=1, provider="cpu", queue_rows=8, max_pixels=1000, metrics=Metrics())


def respec(folder: Path, **changed: Any) -> None:
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**spec, **changed}))


def answering(registry: Registry) -> str:
    (model,) = registry
    assert model is registry.find("colour", None)
    assert model is registry.default((), "image-classification")
    return model.spec.version


def reason(registry: Registry) -> Any:
    return registry.rollouts.status("colour").get("reason")


def test_the_served_version_answers_whatever_is_higher(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="shadow")
    write_colour(tmp_path / "colour" / "3")
    registry.load(tmp_path)
    assert answering(registry) == "1"
    assert registry.find("colour", "1").trial is not None
    assert registry.find("colour", "2").trial is None
    registry.apply(registry.state.settle("colour", Verdict.PROMOTED, "so"))
    assert answering(registry) == "2"
    assert registry.find("colour", "1").trial is None
    (tmp_path / "colour" / "rollout.json").unlink()
    registry.load(tmp_path)
    assert answering(registry) == "3"
    with pytest.raises(NotFound, match=r"rollout\.json"):
        registry.rollouts.status("colour")


def test_where_the_served_version_is_gone_the_highest_other_answers(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="canary")
    write_colour(tmp_path / "colour" / "3")
    shutil.rmtree(tmp_path / "colour" / "1")
    registry.load(tmp_path)
    assert answering(registry) == "3"
    assert reason(registry) == "version 1 is not served: the models folder does not have it"
    shutil.rmtree(tmp_path / "colour" / "3")
    registry.load(tmp_path)
    assert answering(registry) == "2"


def test_a_candidate_that_is_refused_is_waited_for(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="shadow")
    (tmp_path / "colour" / "2" / "model.onnx").unlink()
    registry.load(tmp_path)
    assert answering(registry) == "1"
    assert registry.rollouts.status("colour")["state"] == "waiting"
    assert "version 2 is not served: colour/2/model.onnx is missing" in reason(registry)
    registry.apply(registry.state.settle("colour", Verdict.ROLLED_BACK, "so"))
    assert reason(registry) == "so"
    assert registry.rollouts.obstacle("colour")  # of a promotion
    assert registry.find("colour", None).trial is None


def test_versions_that_take_different_rows_are_not_compared(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="shadow")
    spec = json.loads((tmp_path / "colour" / "2" / "model.json").read_text())
    respec(tmp_path / "colour" / "2", input={**spec["input"], "fit": "pad"})
    registry.load(tmp_path)
    assert reason(registry) == "version 2 reads its input otherwise than version 1"
    respec(tmp_path / "colour" / "2", input=spec["input"], labels=["rot", "gruen", "blau"])
    registry.load(tmp_path)
    assert reason(registry) == "the versions share no label"
    respec(tmp_path / "colour" / "2", labels=["red", "gruen", "blau"])
    registry.load(tmp_path)
    assert registry.rollouts.status("colour")["state"] == "running"


def test_a_broken_file_leaves_what_was_there_and_says_why(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_versions(tmp_path, "colour")
    (tmp_path / "colour" / "rollout.json").write_text("{")
    registry.load(tmp_path)
    assert answering(registry) == "2"
    assert registry.rollouts.status("colour")["state"] == "refused"
    assert "the rollout of colour is not gone by" in caplog.text
    ask_for(tmp_path, "colour", mode="shadow")
    registry.load(tmp_path)
    trial = registry.find("colour", "1").trial
    (tmp_path / "colour" / "rollout.json").write_text('{"serve": 1}')
    registry.load(tmp_path)
    status = registry.rollouts.status("colour")
    assert (status["state"], status["mode"], answering(registry)) == ("running", "shadow", "1")
    assert "serve" in status["problem"]
    assert registry.find("colour", "1").trial is trial is not None


def test_a_file_that_was_written_again_begins_anew(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="shadow")
    registry.load(tmp_path)
    place = registry.state.rollouts["colour"].place
    registry.rollouts.tally.add(place, Count.FAILED, 7)
    registry.apply(registry.state.settle("colour", Verdict.ROLLED_BACK, "so"))
    registry.load(tmp_path)  # nothing has changed
    assert registry.rollouts.status("colour")["figures"]["failed"] == 7
    assert (registry.rollouts.status("colour")["state"], reason(registry)) == ("rolled back", "so")
    for _ in range(2):  # the second comes to the place of the first
        ask_for(tmp_path, "colour", mode="shadow")
        registry.load(tmp_path)
        assert registry.rollouts.status("colour")["figures"]["failed"] == 0
    assert registry.rollouts.status("colour")["state"] == "running"


def test_a_load_of_another_model_leaves_rollouts_alone(registry: Registry, tmp_path: Path) -> None:
    write_versions(tmp_path, "colour", mode="shadow")
    write_colour(tmp_path / "other" / "1")
    registry.load(tmp_path)
    (tmp_path / "colour" / "rollout.json").unlink()
    registry.apply(registry.look(tmp_path, registry.state, again="other"))
    assert answering_colour(registry) == "1"
    registry.apply(registry.look(tmp_path, registry.state, again="colour"))
    assert answering_colour(registry) == "2"


def answering_colour(registry: Registry) -> str:
    return registry.find("colour", None).spec.version


def test_only_so_many_rollouts_go_on_at_once(registry: Registry, tmp_path: Path) -> None:
    for number in range(PLACES + 1):
        (tmp_path / f"m{number:02}").mkdir()
        ask_for(tmp_path, f"m{number:02}", mode="shadow")
    registry.load(tmp_path)
    states = [registry.rollouts.status(name)["state"] for name in sorted(registry.state.rollouts)]
    assert states == ["waiting"] * PLACES + ["refused"]
    assert len({standing.place for standing in registry.state.rollouts.values() if standing.rollout}) == PLACES
