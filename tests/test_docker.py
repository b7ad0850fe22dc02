"""The image is built and run as `docker compose up` does it, and looked at from within."""

import asyncio
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from benchmarks.kills import Callers
from benchmarks.replicas import NGINX, proxy
from tests.conftest import answers, eventually
from tests.container import Container


def has_docker() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = [["docker", "info"], ["docker", "compose", "version"]]
    return all(subprocess.run(each, capture_output=True, check=False, timeout=30).returncode == 0 for each in asked)


pytestmark = [
    pytest.mark.skipif(not has_docker(), reason="no Docker Engine answers, or it has no compose"),
    pytest.mark.timeout(900),  # the first build downloads the packages
]


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    given = Container(tmp_path_factory.mktemp("docker"))
    try:
        given.compose("up", "--build", "--detach", "--wait")
        yield given
    finally:
        given.compose("down", "--timeout", "1", "--volumes")


def test_it_is_healthy_and_answers(container: Container) -> None:
    assert container.healthy
    assert container.predict().json()["predictions"][0]["label"] == "7"


STATUS = """
import json, pathlib
fields = ("Name", "Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")
texts = [path.read_text() for path in pathlib.Path("/proc").glob("[0-9]*/status")]
found = [dict(line.split(":", 1) for line in text.splitlines()) for text in texts]
print(json.dumps([{field: each[field].split() for field in fields} for each in found]))
"""


def test_no_process_has_a_capability_or_could_get_one(container: Container) -> None:
    processes = container.python(STATUS)
    assert len(processes) >= 3  # init, the first process, its workers
    for each in processes:
        assert set(each["Uid"] + each["Gid"]) == {"10001"}
        assert {each["CapEff"][0], each["CapPrm"][0], each["CapBnd"][0]} == {"0" * 16}
        assert each["NoNewPrivs"] == ["1"]
        assert each["Seccomp"] == ["2"]  # the engine's filter of system calls


WRITES = """
import json, os, pathlib, subprocess, tempfile
def tried(act):
    try:
        act()
    except OSError as error:
        return os.strerror(error.errno)
script = pathlib.Path(tempfile.gettempdir()) / "script"
outcome = {place: tried((pathlib.Path(place) / "x").touch) for place in ("/", "/app", "/app/models", "/venv", "/tmp")}
script.write_text("#!/bin/sh\\n")
script.chmod(0o755)
print(json.dumps(outcome | {"run": tried(lambda: subprocess.run([script]))}))
"""


def test_nothing_can_be_written_but_in_tmp_and_nothing_runs_from_there(container: Container) -> None:
    outcome = container.python(WRITES)
    assert outcome.pop("/tmp") is None
    assert outcome.pop("run") == "Permission denied"
    assert set(outcome.values()) == {"Read-only file system"}


FOUND = """
import importlib.util, json, shutil
modules = [name for name in ("torch", "onnx", "pip", "setuptools") if importlib.util.find_spec(name)]
print(json.dumps(modules + [name for name in ("pip", "gcc", "cc", "curl", "wget", "git") if shutil.which(name)]))
"""


def test_nothing_is_in_the_image_that_builds_or_fetches(container: Container) -> None:
    assert container.python(FOUND) == []


def test_the_limits_are_the_engine_s_too(container: Container) -> None:
    host = container.state["HostConfig"]
    assert host["Memory"] == 4 * 2**30
    assert host["PidsLimit"] == 256
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert container.python("import json, os; print(json.dumps(len(os.listdir('/proc/self/task'))))") == 1


def test_a_worker_that_is_killed_is_replaced_without_a_restart(container: Container) -> None:
    container.kill("worker")
    eventually(container.predicts)
    assert container.state["RestartCount"] == 0


def test_a_service_that_is_killed_is_healthy_again(container: Container) -> None:
    before = container.state["RestartCount"]
    container.kill("first")
    began = time.monotonic()
    eventually(lambda: container.state["RestartCount"] == before + 1 and container.healthy)
    report("killed", began)
    assert container.predicts()


def report(what: str, began: float) -> None:
    """For `pytest -s`: docs/reliability.md has the figure of an idle machine."""
    print(f"{what}: healthy after {time.monotonic() - began:.1f} s")


def test_a_restart_under_load_answers_what_it_has_taken_and_comes_back(container: Container) -> None:
    """Without a second container there is a gap; in it nobody gets anything but a refused connection, or a 503."""
    url = container.own_url
    if not answers(f"{url}/healthz"):
        pytest.skip("the container's own address can not be reached from here")
    outcomes: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answer = container.predict(url)
                outcomes.append(str(answer.status_code))
                if answer.status_code == 503:
                    assert "retry-after" in answer.headers
            except httpx2.TransportError as error:
                outcomes.append(type(error).__name__)
            time.sleep(0.01)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(outcomes) > 100)
    container.compose("restart")
    began = time.monotonic()
    try:
        eventually(lambda: container.healthy)
        report("started again", began)
        eventually(lambda: outcomes[-1] == "200")
    finally:
        over.set()
        for caller in callers:
            caller.join()
    counts = {each: outcomes.count(each) for each in sorted(set(outcomes))}
    print(counts)
    assert counts.keys() <= {"200", "503", "ConnectError"}


@pytest.mark.skipif(NGINX is None, reason="no nginx")
def test_of_two_containers_behind_a_proxy_each_can_be_killed_and_restarted_and_no_request_is_lost(
    container: Container, tmp_path: Path
) -> None:
    other = Container(tmp_path)
    try:
        other.compose("up", "--detach", "--wait")
        with proxy([container.port, other.port], once=False) as url:
            callers = Callers(url)
            asyncio.run(under_load(callers, container, other))
    finally:
        other.compose("down", "--timeout", "1", "--volumes")
    callers.tell()
    assert callers.wrong == []


async def under_load(callers: Callers, killed: Container, restarted: Container) -> None:
    load = asyncio.create_task(callers.ask())
    before = killed.state["RestartCount"]
    await asyncio.to_thread(killed.kill, "first")
    await asyncio.to_thread(eventually, lambda: killed.state["RestartCount"] == before + 1 and killed.healthy)
    await asyncio.to_thread(restarted.compose, "restart")
    await asyncio.to_thread(eventually, lambda: restarted.healthy)
    callers.stop()
    await load
