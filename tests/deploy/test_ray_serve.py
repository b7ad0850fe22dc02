"""deploy/ray_serve.py on a real cluster: two nodes with replicas on this machine, behind Ray's HAProxy."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from maxpool_client import Client, MaxpoolError, UnknownModel

from tests.conftest import COLOURS, ROOT, free_port, plain, serving, write_colour, write_length
from tests.service.slow import write_slow

pytest.importorskip("ray.serve", reason="Ray is not installed: make ray")

from tests.deploy.cluster import NODES, RayCluster, ray_cluster

# Of Ray's own, in all that this file does.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
ROWS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
COLOUR = {"red": "red", "lime": "green", "blue": "blue"}
CALLERS = 4


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_colour(folder / "colour" / "1")
    write_length(folder / "length" / "1")
    write_slow(folder / "slow" / "1", products=2)
    return folder


@pytest.fixture(scope="module")
def cluster(models: Path) -> Iterator[RayCluster]:
    with ray_cluster(models) as running:
        yield running


@pytest.fixture(scope="module")
def bare(models: Path) -> Iterator[str]:
    with serving(models=models, workers=1) as url:
        yield url


def tensor() -> dict[str, Any]:
    inputs = [{"name": "image", "shape": list(ROWS.shape), "datatype": "UINT8", "data": ROWS.ravel().tolist()}]
    return {"id": "seven", "inputs": inputs}


def binary() -> tuple[bytes, dict[str, str]]:
    given = {"name": "image", "shape": list(ROWS.shape), "datatype": "UINT8"}
    inputs = [{**given, "parameters": {"binary_data_size": ROWS.nbytes}}]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head + ROWS.tobytes(), {"inference-header-content-length": str(len(head))}


def asked(url: str) -> dict[str, httpx2.Response]:
    """Some of all that may be asked, by the protocol and by our own road."""
    infer = f"{url}/v2/models/colour/infer"
    body, headers = binary()
    with httpx2.Client(timeout=60) as client:
        return {
            "live": client.get(f"{url}/v2/health/live"),
            "ready": client.get(f"{url}/v2/health/ready"),
            "model ready": client.get(f"{url}/v2/models/colour/ready"),
            "server": client.get(f"{url}/v2"),
            "metadata": client.get(f"{url}/v2/models/colour"),
            "tensor": client.post(infer, json=tensor()),
            "binary": client.post(infer, content=body, headers=headers),
            "picture": client.post(f"{url}/v1/models/colour/predict", content=plain("lime")),
            "sentence": client.post(f"{url}/v1/models/length/predict", content=b"so it goes"),
            "no model": client.post(f"{url}/v2/models/none/infer", json=tensor()),
            "no JSON": client.post(infer, content=b"{"),
            "no picture": client.post(f"{url}/v1/models/colour/predict", content=b"x"),
            "nothing there": client.get(f"{url}/nowhere"),
            "wrong method": client.delete(f"{url}/v2/models/colour/infer"),
        }


def test_the_answers_are_those_of_the_bare_service(cluster: RayCluster, bare: str) -> None:
    ours, theirs = asked(cluster.url), asked(bare)
    for what, answer in theirs.items():
        assert (ours[what].status_code, ours[what].content) == (answer.status_code, answer.content), what
        assert ours[what].headers["content-type"] == answer.headers["content-type"], what
        assert len(ours[what].headers.get_list("x-request-id")) == 1, what
    assert [theirs[what].status_code for what in ("tensor", "binary", "picture")] == [200] * 3
    assert theirs["no model"].json()["reason"] == "UnknownModel"


def test_the_sdk_asks_through_the_ingress(cluster: RayCluster) -> None:
    with Client(cluster.url, timeout=60) as client:
        assert [client.classify("colour", plain(colour)).label for colour in COLOUR] == list(COLOURS)
        assert client.classify("length", "one two three four five").label == "long"
        assert [each.label for each in client.classify("colour", [plain("blue")] * 200)] == ["blue"] * 200
        assert client.health().ready
        with pytest.raises(UnknownModel):
            client.classify("none", plain("red"))


def test_a_request_id_is_the_callers_and_comes_once(cluster: RayCluster) -> None:
    answer = httpx2.get(f"{cluster.url}/v1/models", headers={"x-request-id": "mine"}, timeout=60)
    assert answer.headers.get_list("x-request-id") == ["mine"]


class Callers:
    """SDK clients that ask without a pause, each with connections of its own, and what went wrong."""

    def __init__(self, url: str, model: str = "colour", **options: Any) -> None:
        self.answered, self.wrong = 0, []  # type: int, list[str]
        self._url, self._model, self._options = url, model, options
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        pictures = [(plain(colour), label) for colour, label in COLOUR.items()]
        with Client(self._url, timeout=60, **self._options) as client:
            while not self._stop.is_set():
                for picture, label in pictures:
                    try:
                        told = client.classify(self._model, picture).label
                    except MaxpoolError as error:
                        self.wrong.append(repr(error))
                        self._stop.wait(0.1)
                    else:
                        self.answered += 1
                        if told != label:
                            self.wrong.append(f"{told} for {label}")


def test_a_killed_node_costs_no_request_and_its_replica_comes_back(cluster: RayCluster) -> None:
    cluster.wait(lambda: all(cluster.replicas()), f"not a replica a node: {cluster.replicas()}")
    with Callers(cluster.url, max_retries=5) as callers:
        cluster.wait(lambda: callers.answered > 200, "no answers")
        cluster.kill_node(cluster.nodes[-1])
        cluster.add_node()
        before = callers.answered
        cluster.wait(lambda: sum(map(len, cluster.replicas())) == NODES == cluster.running(), "not replaced")
        cluster.wait(lambda: callers.answered > before + 200, "no answers after it")
    assert callers.wrong == []
    print(f"{callers.answered} requests answered while a node was killed")


def test_a_replica_is_added_where_rows_wait_and_taken_away_after(cluster: RayCluster) -> None:
    assert cluster.running() == NODES
    crowd = [Callers(cluster.url, "slow", max_retries=5) for _ in range(4)]
    for each in crowd:
        each.__enter__()
    try:
        cluster.wait(lambda: cluster.running() == NODES + 1, "no replica was added")
    finally:
        for each in crowd:
            each.__exit__()
    assert [each.wrong for each in crowd] == [[]] * len(crowd)
    cluster.wait(lambda: cluster.running() == NODES, "no replica was taken away")


def test_callers_of_nobody_say_so() -> None:
    """The control: a lost request is seen."""
    with Callers(f"http://127.0.0.1:{free_port()}", max_retries=0) as callers:
        callers._stop.wait(0.5)
    assert callers.wrong
    assert not callers.answered


def test_a_models_folder_that_is_missing_is_told_and_harms_no_other(cluster: RayCluster) -> None:
    config = cluster.config()
    broken = json.loads(json.dumps(config["applications"][0])) | {"name": "broken", "route_prefix": "/broken"}
    broken["runtime_env"]["env_vars"]["MAXPOOL_MODELS"] = "/nowhere"
    broken["deployments"][0]["autoscaling_config"] = None
    broken["deployments"][0]["num_replicas"] = 1
    cluster.deploy({**config, "applications": [*config["applications"], broken]})
    cluster.wait(lambda: cluster.state("broken") == "DEPLOY_FAILED", "not given up")
    assert "the models folder /nowhere is missing: set MAXPOOL_MODELS" in cluster.message("broken")
    assert httpx2.get(f"{cluster.url}/readyz", timeout=60).status_code == 200
    cluster.deploy(config)


def test_the_config_file_is_what_ray_takes() -> None:
    import yaml
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

    text = (ROOT / "deploy/ray/serve.yaml").read_text()
    written = ServeDeploySchema.model_validate(yaml.safe_load(text))
    scaling = AutoscalingConfig.model_validate(written.applications[0].deployments[0].autoscaling_config)
    assert scaling.policy.get_policy().__name__ == "by_queue"
    with pytest.raises(ValueError, match="route_prefix"):  # the control
        ServeDeploySchema.model_validate(yaml.safe_load(text.replace("route_prefix: /", "route_prefix: no")))
