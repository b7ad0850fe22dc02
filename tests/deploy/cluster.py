"""A Ray cluster on this machine as three would make one: a head, which has the ingress, and nodes for replicas."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.rayserver import end_haproxy, environment, is_ready, own_folder
from benchmarks.servers import tree
from tests.conftest import ROOT, free_port

NODES = 2
SECONDS = 180  # for a cluster that other work slows down
EACH = {"node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}
# Ray takes a process for dead that does not answer in five seconds, which on a busy machine it may not.
PATIENCE = {f"RAY_SERVE_PROXY_{what}_TIMEOUT_S": "60" for what in ("READY_CHECK", "HEALTH_CHECK")}
HASTE = {
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
}
OF_MAXPOOL = b"ray::ServeReplica:maxpool"  # how their processes are called


class RayCluster:
    def __init__(self, ray: Any, cluster: Any, serve: Any, url: str, models: Path) -> None:
        self.ray, self.url = ray, url
        self.nodes: list[Any] = []
        self._cluster, self._serve, self._models = cluster, serve, models

    def add_node(self) -> None:
        self.nodes.append(self._cluster.add_node(num_cpus=2, **EACH))

    def kill_node(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)

    def config(self, **variables: str) -> dict[str, Any]:
        """deploy/ray/serve.yaml for this machine, and in a hurry."""
        config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())
        config["proxy_location"] = "HeadOnly"
        config["http_options"] = {"host": "127.0.0.1", "port": int(self.url.rpartition(":")[2])}
        (application,) = config["applications"]
        application["runtime_env"]["env_vars"] |= {"MAXPOOL_MODELS": str(self._models), **variables}
        (deployment,) = application["deployments"]
        deployment |= {"max_constructor_retry_count": 1, "health_check_timeout_s": 60}
        scaling = deployment["autoscaling_config"] | {"min_replicas": NODES, "max_replicas": NODES + 1}
        deployment["autoscaling_config"] = scaling | {
            "upscale_delay_s": 1,
            "downscale_delay_s": 4,
            "look_back_period_s": 3,
        }
        return config

    def deploy(self, config: dict[str, Any]) -> None:
        from ray.serve.schema import ServeDeploySchema

        self._serve.context._get_global_client().deploy_apps(ServeDeploySchema.model_validate(config))

    def state(self, application: str) -> str:
        return str(self._serve.status().applications[application].status.value)

    def message(self, application: str) -> str:
        return "".join(each.message for each in self._serve.status().applications[application].deployments.values())

    def replicas(self) -> list[list[int]]:
        """Of each node, the process ids of its replicas."""
        return [[pid for pid in tree(raylet(node)) if is_replica(pid)] for node in self.nodes]

    def running(self) -> int:
        deployments = self._serve.status().applications["maxpool"].deployments
        return sum(each.replica_states.get("RUNNING", 0) for each in deployments.values())

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{what}: {self._serve.status()}"
            time.sleep(0.1)


def raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def is_replica(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(OF_MAXPOOL)
    except OSError:
        return False


@contextmanager
def ray_cluster(models: Path) -> Iterator[RayCluster]:
    with own_folder() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in (environment(folder) | PATIENCE | HASTE).items():
            patch.setenv(name, value)
        import ray
        from ray import serve
        from ray._private import services
        from ray.cluster_utils import Cluster

        # Else the nodes are told the address of the network card, and look for each other there in vain.
        patch.setattr(services, "resolve_ip_for_localhost", lambda host: host)
        head = {"num_cpus": 0, "include_dashboard": False, **EACH}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            port = free_port()
            running = RayCluster(ray, cluster, serve, f"http://127.0.0.1:{port}", models)
            for _ in range(NODES):
                running.add_node()
            cluster.wait_for_nodes()
            ray.init(address=cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            running.deploy(running.config())
            running.wait(lambda: running.running() == NODES, "the replicas did not start")
            running.wait(lambda: is_ready(running.url), "the ingress does not answer")
            yield running
            serve.shutdown()
        finally:
            below = tree(os.getpid())
            ray.shutdown()
            cluster.shutdown()
            end_haproxy(below)
