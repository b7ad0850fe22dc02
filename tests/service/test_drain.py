"""The stop of a service that is in use: who sends requests to it learns of it in time, and what comes is answered."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from benchmarks.servers import exit_status
from service.connection import Connection
from tests.conftest import eventually, plain, started
from tests.service.metrics import counted
from tests.service.slow import ROAD

Service = tuple[int, str]  # process id, URL
LENGTH = "/v1/models/length/predict"


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def service(slow_models: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    with started(slow_models, workers=request.param, MAXPOOL_DRAIN_SECONDS="3", MAXPOOL_GRACE_SECONDS="20") as given:
        yield given


def ask(url: str) -> httpx2.Response:
    return httpx2.post(f"{url}{LENGTH}", json={"inputs": "hello"}, timeout=20)


def test_a_service_that_is_stopped_says_so_and_answers_until_it_is_over(service: Service) -> None:
    pid, url = service
    with httpx2.Client(base_url=url) as kept:
        assert kept.post(LENGTH, json={"inputs": "hello"}).status_code == 200
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: httpx2.get(f"{url}/readyz").status_code == 503)
        refused = httpx2.get(f"{url}/v2/health/ready")
        assert "about to stop" in refused.json()["error"]
        assert httpx2.get(f"{url}/healthz").status_code == 200
        last = kept.post(LENGTH, json={"inputs": "hello"})
        assert (last.status_code, last.headers["connection"]) == (200, "close")
        assert ask(url).status_code == 200
    assert exit_status(pid) == 0


@pytest.mark.parametrize("begun", [False, True])
def test_only_an_answer_whose_head_can_say_so_is_the_last_one(begun: bool) -> None:
    cycle = SimpleNamespace(keep_alive=True, response_started=begun)
    Connection.drain(SimpleNamespace(cycle=cycle))  # type: ignore[arg-type]
    assert cycle.keep_alive == begun


def test_who_comes_in_the_very_moment_of_the_end_is_answered(slow_models: Path) -> None:
    """The first process is held up until its drain is over, and deals out last what the system took meanwhile: workers
    that end their drain by clocks of their own are not there any more."""
    with started(slow_models, workers=2, MAXPOOL_DRAIN_SECONDS="2", MAXPOOL_GRACE_SECONDS="20") as (pid, url):
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: httpx2.get(f"{url}/readyz").status_code == 503)
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(4) as callers:
            asked = [callers.submit(ask, url) for _ in range(4)]
            time.sleep(3)
            os.kill(pid, signal.SIGCONT)
            assert [each.result().status_code for each in asked] == [200] * 4
        assert exit_status(pid) == 0


def test_a_client_that_heeds_readiness_loses_nothing(service: Service) -> None:
    """As a balancer does: it asks for readiness ten times a second and sends requests as long as there is some."""
    pid, url = service
    ready = threading.Event()
    ready.set()
    statuses: list[int | str] = []

    def send() -> None:
        with httpx2.Client(base_url=url) as kept:
            while ready.is_set():
                try:
                    statuses.append(kept.post(LENGTH, json={"inputs": "hello"}).status_code)
                except httpx2.TransportError as error:
                    statuses.append(repr(error))

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    eventually(lambda: len(statuses) > 100)
    os.kill(pid, signal.SIGTERM)
    while httpx2.get(f"{url}/readyz").status_code == 200:
        time.sleep(0.1)
    asked = len(statuses)
    eventually(lambda: len(statuses) > asked + 100)
    ready.clear()
    for sender in senders:
        sender.join()
    assert set(statuses) == {200}
    assert exit_status(pid) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nothing_but_requests_under_way(slow_models: Path, second: signal.Signals) -> None:
    for workers in (1, 2):
        with started(slow_models, workers=workers, MAXPOOL_DRAIN_SECONDS="3600") as (pid, url):
            os.kill(pid, signal.SIGTERM)
            eventually(lambda url=url: httpx2.get(f"{url}/readyz").status_code == 503)
            os.kill(pid, second)
            assert exit_status(pid) in (0, -second)


def test_requests_that_outlast_the_grace_are_told_so(slow_models: Path) -> None:
    for workers in (1, 2):
        with started(slow_models, workers=workers, MAXPOOL_GRACE_SECONDS="1") as (pid, url):
            statuses: list[int] = []

            def send(url: str = url, statuses: list[int] = statuses) -> None:
                answer = httpx2.post(f"{url}{ROAD}", content=plain("red"), timeout=60)
                statuses.append(answer.status_code)
                assert answer.status_code == 200 or "the server stops" in answer.json()["error"]

            senders = [threading.Thread(target=send) for _ in range(60)]
            for sender in senders:
                sender.start()
            eventually(lambda url=url: counted(url, "maxpool_received_total") >= 60)
            os.kill(pid, signal.SIGTERM)
            for sender in senders:
                sender.join()
            assert exit_status(pid) == 0
            assert set(statuses) == {200, 503}
            assert len(statuses) == 60
