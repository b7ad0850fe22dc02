"""`docker compose up` for the tests, alone and as the profile `scale`."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import ROOT, free_port

OVERRIDE = """
services:
  maxpool:
    image: maxpool-test
    ports: !override ["127.0.0.1:{port}:8000"]
    environment:
      MAXPOOL_DRAIN_SECONDS: 1
"""
SCALED = """
services:
  maxpool: &replica
    image: maxpool-test
    ports: !override []
    environment:
      MAXPOOL_DRAIN_SECONDS: 3
      MAXPOOL_WORKERS: 1
  replica: *replica
  proxy:
    ports: !override
      - "127.0.0.1:{port}:8080"
      - "127.0.0.1:{grpc}:8081"
      - "127.0.0.1:{metrics}:8405"
    volumes: !override
      - {folder}/haproxy.cfg:/etc/maxpool/haproxy.cfg:ro
"""
DIGIT = (ROOT / "models/lenet5-mnist/1/golden/digit-7.png").read_bytes()
# The first process of the service is the child of the init.
KILL = """
import os, pathlib, signal
first, *_ = pathlib.Path("/proc/1/task/1/children").read_text().split()
worker, *_ = pathlib.Path(f"/proc/{{first}}/task/{{first}}/children").read_text().split()
os.kill(int({which}), signal.SIGKILL)
"""


class Project:
    """`docker compose` with an override of its own, beside any project that runs."""

    def __init__(self, folder: Path, override: str, *profiles: str) -> None:
        self.name = f"maxpool-test-{free_port()}"
        (folder / "override.yml").write_text(override)
        files = ["--file", "docker-compose.yml", "--file", str(folder / "override.yml")]
        options = [*files, *(f"--profile={each}" for each in profiles), "--project-name", self.name]
        self._compose = ["docker", "compose", *options]

    def compose(self, *arguments: str) -> str:
        ran = self._run(*arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._compose, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=800)


class Container(Project):
    """The service alone."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(folder, OVERRIDE.format(port=self.port))

    def kill(self, which: str) -> None:
        """With the first process the container ends, and with it what killed it: no matter how that ended."""
        self._run("exec", "-T", "maxpool", "python", "-c", KILL.format(which=which))

    def python(self, program: str) -> Any:
        """What it prints, which is JSON, inside of the container."""
        return json.loads(self.compose("exec", "-T", "maxpool", "python", "-c", program))

    @property
    def state(self) -> dict[str, Any]:
        (inspected,) = json.loads(
            subprocess.check_output(["docker", "inspect", self.compose("ps", "--all", "--quiet").strip()])
        )
        state: dict[str, Any] = inspected
        return state

    @property
    def healthy(self) -> bool:
        return bool(self.state["State"]["Health"]["Status"] == "healthy")

    def predicts(self) -> bool:
        try:
            return self.predict().status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def own_url(self) -> str:
        """Past the port that is published, whose proxy takes connections while nobody listens behind it."""
        (network,) = self.state["NetworkSettings"]["Networks"].values()
        return f"http://{network['IPAddress']}:8000"

    def predict(self, url: str = "") -> httpx2.Response:
        return httpx2.post(f"{url or self.url}/v1/models/lenet5-mnist/predict", content=DIGIT, timeout=10)


class Scaled(Project):
    """Replicas behind the proxy; `proxy` is its configuration."""

    def __init__(self, folder: Path, proxy: str) -> None:
        self.port, self._metrics_port, self.grpc_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "haproxy.cfg").write_text(proxy)
        ports = {"port": self.port, "metrics": self._metrics_port, "grpc": self.grpc_port}
        super().__init__(folder, SCALED.format(**ports, folder=folder), "scale")

    def containers(self, service: str) -> list[str]:
        """Their ids."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def ready(self) -> int:
        """Replicas to which the proxy sends requests."""
        try:
            said = httpx2.get(f"http://127.0.0.1:{self._metrics_port}/metrics").text
        except httpx2.TransportError:
            return 0
        return int(re.findall(r'^haproxy_backend_active_servers{proxy="ready"} (\d+)', said, re.MULTILINE)[0])

    def predict(self) -> httpx2.Response:
        return httpx2.post(f"{self.url}/v1/models/lenet5-mnist/predict", content=DIGIT, timeout=10)
