"""What a replica tells Ray of itself, and what Ray makes of it; no cluster is needed."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import SettingsError, Unavailable
from tests.conftest import write_colour, write_spoiled

pytest.importorskip("ray.serve", reason="Ray is not installed: make ray")
pytestmark = pytest.mark.filterwarnings("ignore")


def replica(models: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Any:
    """Outside of Ray, which would say how many CPUs it has."""
    import deploy.ray_serve as ray_serve

    resources = SimpleNamespace(get_assigned_resources=lambda: {"CPU": 2.0})
    monkeypatch.setattr(ray_serve.ray, "get_runtime_context", lambda: resources)
    monkeypatch.setattr(ray_serve, "set_up", lambda level: None)
    for name, value in ({"MAXPOOL_MODELS": str(models), "MAXPOOL_ALLOW_ANONYMOUS": "1"} | settings).items():
        monkeypatch.setenv(name, value)
    return ray_serve.Replica()


def context(queues: list[float], busy: list[float], replicas: int) -> Any:
    metrics = {"queue_seconds": dict(enumerate(queues)), "busy": dict(enumerate(busy))}
    return SimpleNamespace(aggregated_metrics=metrics, current_num_replicas=replicas, target_num_replicas=replicas)


@pytest.mark.parametrize(
    ("queues", "busy", "wanted"),
    [
        ([0.06], [0.9], 1.2),  # Ray rounds up
        ([5.0, 5.0], [1.0, 1.0], 4),  # at most twice as many
        ([0.0, 0.09], [0.1, 0.9], 2),  # the mean counts
        ([0.01, 0.0], [0.3, 0.3], 1),  # one has the time for both
        ([0.01, 0.0], [0.4, 0.4], 2),  # it has not
        ([0.0], [0.0], 1),  # the last stays
        ([0.0], [0.0, 0.0], 2),  # the second has told nothing of its queue yet
    ],
)
def test_replicas_by_queue(queues: list[float], busy: list[float], wanted: float) -> None:
    from deploy.ray_serve import by_queue

    assert by_queue(context(queues, busy, len(busy)))[0] == pytest.approx(wanted)


def test_the_policy_needs_nothing_of_ours_where_it_runs() -> None:
    from ray.serve.config import AutoscalingPolicy

    policy = AutoscalingPolicy(policy_function="deploy.ray_serve:by_queue").get_serialized_policy_def()
    code = """
import sys, types
from ray import cloudpickle
policy = cloudpickle.loads(sys.stdin.buffer.read())
told = {"queue_seconds": {0: 0.1}, "busy": {0: 1.0}}
print(policy(types.SimpleNamespace(aggregated_metrics=told, current_num_replicas=1, target_num_replicas=1))[0])
assert "service" not in sys.modules and "deploy" not in sys.modules
"""
    told = subprocess.run([sys.executable, "-P", "-c", code], input=policy, capture_output=True, cwd="/")
    assert (told.returncode, told.stdout.split()) == (0, [b"2.0"]), told.stderr


def test_a_replica_is_well_where_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_colour(tmp_path / "colour" / "1")
    well = replica(tmp_path, monkeypatch)
    well.check_health()
    told = well.record_autoscaling_stats()
    assert told["queue_seconds"] == 0
    assert told["busy"] >= 0
    assert well._registry.readers._max_workers == 2  # the CPUs that Ray gave it


def test_a_replica_with_a_spoiled_model_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_spoiled(tmp_path)
    with pytest.raises(Unavailable, match=r"colour version 1: .*sha256"):
        replica(tmp_path, monkeypatch).check_health()


def test_a_replica_without_keys_starts_only_where_that_is_said(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="MAXPOOL_ALLOW_ANONYMOUS"):
        replica(tiny_models, monkeypatch, MAXPOOL_ALLOW_ANONYMOUS="0")
