"""The process as a whole: how it starts, refuses to start, and says no when it is full."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from service.engine.session import works
from tests.conftest import (
    ROOT,
    children,
    encode,
    eventually,
    serving,
    two_workers,
    write_spoiled,
)


def start(**settings: object) -> subprocess.CompletedProcess[str]:
    given = {f"MAXPOOL_{name.upper()}": str(value) for name, value in settings.items()}
    environ = {**os.environ, "MAXPOOL_GRPC_PORT": "0", **given}
    command = [sys.executable, "-m", "service"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(works("cuda"), reason="CUDA works here")
def test_a_provider_that_is_demanded_and_missing_refuses_to_start(tiny_models: Path) -> None:
    ended = start(provider="cuda", models=tiny_models)
    assert ended.returncode == 2
    assert "cuda" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_refuses_to_start_in_one_sentence(tmp_path: Path) -> None:
    for settings, word in (({"port": "x"}, "MAXPOOL_PORT"), ({"models": tmp_path / "nothing"}, "MAXPOOL_MODELS")):
        ended = start(**settings)
        assert ended.returncode == 2
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_full_queue_is_503_with_retry_after_and_the_rest_is_answered(tiny_models: Path) -> None:
    large = encode(Image.new("RGB", (4000, 3000), "red"))
    with serving(models=tiny_models, workers=1, queue_rows=2) as url:

        def ask(_: int) -> httpx2.Response:
            return httpx2.post(f"{url}/v1/models/colour/predict", content=large, timeout=30)

        with ThreadPoolExecutor(12) as callers:
            answers = list(callers.map(ask, range(12)))
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert "queue is full" in answer.json()["error"]
            else:
                assert answer.json()["predictions"][0]["label"] == "red"
        more = httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": ["a", "b", "c"]})
        assert more.status_code == 413


def test_a_refused_model_makes_the_service_not_ready_and_says_why(tmp_path: Path) -> None:
    write_spoiled(tmp_path)
    with serving(models=tmp_path, workers=1) as url:
        assert httpx2.get(f"{url}/readyz").status_code == 503
        assert "\nmaxpool_ready 0.0\n" in httpx2.get(f"{url}/metrics").text
        (refused,) = [m for m in httpx2.get(f"{url}/v1/models").json()["models"] if m["status"] == "refused"]
        assert "bytes" in refused["reason"]
        assert httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": "hello"}).status_code == 200
        answer = httpx2.post(f"{url}/v1/models/colour/predict", content=b"x")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def answered(url: str) -> bool:
    return httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": "hello"}).status_code == 200


def test_a_killed_worker_is_replaced_and_the_others_go_on(tiny_models: Path) -> None:
    with two_workers(tiny_models) as (pid, url):
        before = children(pid)
        assert len(before) == 2
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in children(pid) and len(children(pid)) == 2)
        eventually(lambda: answered(url))
        text = httpx2.get(f"{url}/metrics").text
    assert 'maxpool_model_ready{model="length",provider="cpu",version="1"} 1.0' in text
    assert "\nmaxpool_ready 1.0\n" in text


def test_workers_end_when_the_first_process_is_killed(tiny_models: Path) -> None:
    with two_workers(tiny_models) as (pid, _):
        workers = children(pid)
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, workers)))


def test_connections_that_wait_for_a_worker_at_the_stop_are_answered(tiny_models: Path) -> None:
    """More than a worker takes from its channel in one go."""
    body = b'{"inputs": "hello"}'
    head = b"POST /v1/models/length/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request = head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with two_workers(tiny_models) as (pid, url), ExitStack() as opened:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        workers = children(pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        callers = [opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(150)]
        for caller in callers:
            caller.sendall(request)
        time.sleep(1)  # for all of them to be dealt out
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        answers_of = [b"".join(iter(lambda caller=caller: caller.recv(65536), b"")) for caller in callers]
    assert [answer[:12] for answer in answers_of] == [b"HTTP/1.1 200"] * 150
