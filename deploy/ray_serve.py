"""The service on Ray Serve: each replica is the whole application in a process of its own, with its own batcher and
admission, so that it answers what the bare service answers. Ray places, watches, counts and replaces them.

serve run deploy/ray/serve.yaml; docs/ray.md says the rest.
"""

import os
import time
from dataclasses import replace
from typing import Any

import ray
from ray import serve

from service.app import create_app
from service.errors import Unavailable
from service.log import set_up
from service.settings import Settings

QUEUE_SECONDS = 0.05  # that rows may have before them in a replica: with more, replicas are added
BUSY = 0.7  # the share of their CPUs that replicas may use and become fewer
# Requests that Ray lets into a replica: our own admission, which knows deadlines, says when it is full.
ONGOING = 100_000


class Replica:
    def __init__(self) -> None:
        """Raises SettingsError, which Ray shows in the status of the application."""
        # Ray opens a replica's port to the network, whatever MAXPOOL_HOST says: so keys are asked for, or
        # MAXPOOL_ALLOW_ANONYMOUS is set. One process is what Ray knows of, and over HTTP.
        settings = replace(Settings.from_env(os.environ), host="0.0.0.0", workers=1, grpc_port=0)
        set_up(settings.log_level)
        self._cpus = max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
        self._app = create_app(settings, cpus=self._cpus)
        self._registry = self._app.state.registry
        self._app.state.follower.begin()
        self._read = time.monotonic(), time.process_time()

    def __serve_build_asgi_app__(self) -> Any:
        app = self._app

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            async def send_on(message: Any) -> None:
                if message["type"] == "http.response.start":  # Ray adds the same id
                    message["headers"] = [each for each in message["headers"] if each[0] != b"x-request-id"]
                await send(message)

            await app(scope, receive, send_on)

        return answer

    def check_health(self) -> None:
        """Raises Unavailable where /readyz says 503: nothing is sent here then, and a replica that stays so is
        replaced."""
        if not self._registry.ready:
            refused = [f"{each.name} version {each.version}: {each.reason}" for each in self._registry.refused]
            raise Unavailable("; ".join(refused) or "the models folder is empty: put a model there", retry_after=30)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Seconds that rows accepted now have before them, and the share of its CPUs used since the last call."""
        before, used_before = self._read
        now, used = self._read = time.monotonic(), time.process_time()
        busy = (used - used_before) / max(now - before, 1e-3) / self._cpus
        return {"queue_seconds": self._registry.queue_seconds, "busy": busy}


def by_queue(context: Any) -> tuple[float, dict[str, Any]]:
    """Up to twice as many replicas where rows wait for too long, one less where the others would not be busy. For Ray's
    controller, which has nothing of ours but this function."""
    replicas = context.current_num_replicas
    queues = context.aggregated_metrics.get("queue_seconds", {}).values()
    busy = context.aggregated_metrics.get("busy", {}).values()
    if not replicas or len(queues) < replicas:  # one has not told yet
        return context.target_num_replicas, {}
    excess = sum(queues) / len(queues) / QUEUE_SECONDS
    if excess > 1:
        return replicas * min(2.0, excess), {}
    return (replicas - 1 if sum(busy) < BUSY * (replicas - 1) else replicas), {}


application = serve.deployment(
    serve.ingress()(Replica),
    name="maxpool",
    max_ongoing_requests=ONGOING,
    logging_config={"enable_access_log": False},  # MAXPOOL_REQUEST_LOG has its lines
).bind()
