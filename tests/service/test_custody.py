"""Worker processes that are killed: what their clients had asked is answered by another one."""

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from service.journal import LONGEST
from tests.conftest import answers, children, eventually, plain, two_workers
from tests.service.metrics import counted
from tests.service.slow import PRODUCTS, ROAD, write_slow

Service = tuple[int, str]  # process id, URL


@pytest.fixture(scope="module")
def slow_models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slower than elsewhere: what is to be killed in the middle of a run must not be over before."""
    folder = tmp_path_factory.mktemp("slower") / "models"
    shutil.copytree(tiny_models, folder)
    write_slow(folder / "slow" / "1", products=3 * PRODUCTS)
    return folder


@pytest.fixture(scope="module")
def service(slow_models: Path) -> Iterator[Service]:
    with two_workers(slow_models) as given:
        yield given


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)


def post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def short(path: str = "/v1/models/length/predict") -> bytes:
    return post(path, b'{"inputs": "hello"}').replace(b"host: x", b"host: x\r\ncontent-type: application/json")


SLOW = post(ROAD, plain("red"))


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        assert data, "closed without an answer"
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        data = connection.recv(65536)
        assert data, "closed in the middle of an answer"
        body += data
    assert len(body) == length, "more came than one answer"
    return int(head.split()[1]), json.loads(body)


def kill(pid: int) -> None:
    """All workers at once; returns when others have taken their place."""
    before = children(pid)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(children(pid) - before) == 2)


def test_who_comes_while_no_worker_is_there_waits_for_the_next_one(slow_models: Path) -> None:
    """Workers that end within a second of their birth are replaced only when that is over."""
    with two_workers(slow_models) as (pid, url):
        kill(pid)
        young = children(pid)
        for worker in young:
            os.kill(worker, signal.SIGKILL)
        while young & children(pid):  # what is dealt out to them while they end is another test's
            time.sleep(0.005)
        with ExitStack() as opened:
            connections = [opened.enter_context(connect(url)) for _ in range(20)]
            for connection in connections:
                connection.sendall(short())
            assert {answer(connection)[0] for connection in connections} == {200}


def test_requests_under_way_are_run_by_the_next_worker(service: Service) -> None:
    pid, url = service
    run_again, ended = (counted(url, name) for name in ("maxpool_reruns_total", "maxpool_worker_ends_total"))
    with ExitStack() as opened:
        callers = [opened.enter_context(connect(url)) for _ in range(6)]
        for caller in callers:
            caller.sendall(SLOW)
        time.sleep(0.1)
        kill(pid)
        for caller in callers:
            status, document = answer(caller)
            assert (status, document["predictions"][0]["label"]) == (200, "red")  # type: ignore[index]
            caller.sendall(short())
            assert answer(caller)[0] == 200
    # Those that no worker had read yet were not run before.
    assert run_again + 1 <= counted(url, "maxpool_reruns_total") <= run_again + 6
    assert counted(url, "maxpool_worker_ends_total") == ended + 2


def test_without_the_first_process_s_hold_they_are_lost(slow_models: Path) -> None:
    """The control: too few descriptors for it to hold connections."""
    few = ("sh", "-c", f"ulimit -n 100 && exec {sys.executable} -m service")
    with two_workers(slow_models, command=few) as (pid, url), connect(url) as caller:
        caller.sendall(SLOW)
        time.sleep(0.1)
        kill(pid)
        with pytest.raises((AssertionError, ConnectionError)):
            answer(caller)


def test_a_connection_between_two_requests_outlives_its_worker(service: Service) -> None:
    pid, url = service
    with connect(url) as caller:
        for _ in range(3):
            caller.sendall(short())
            assert answer(caller)[0] == 200
            kill(pid)


def test_a_request_of_which_a_part_has_come_goes_on_in_the_next_worker(service: Service) -> None:
    pid, url = service
    request = short()
    with connect(url) as caller:
        caller.sendall(request[:30])
        time.sleep(0.1)
        kill(pid)
        caller.sendall(request[30:-5])
        time.sleep(0.1)
        kill(pid)
        caller.sendall(request[-5:])
        assert answer(caller)[0] == 200


def test_the_request_that_kills_workers_is_refused_and_those_beside_it_are_answered(tmp_path: Path) -> None:
    write_slow(
        tmp_path / "slow" / "1", products=5 * PRODUCTS
    )  # longer than workers take to be back, also where all is slow
    with two_workers(tmp_path) as (pid, url), connect(url) as first, connect(url) as second:
        first.sendall(SLOW)
        time.sleep(0.05)
        second.sendall(SLOW)
        time.sleep(0.05)
        # One of them runs again, alone; to be killed once more is its end, and then it is the other's turn.
        while True:
            eventually(lambda: answers(f"{url}/healthz"))
            if select.select([first, second], [], [], 0)[0]:
                break
            for worker in children(pid):
                os.kill(worker, signal.SIGKILL)
        assert sorted(answer(caller)[0] for caller in (first, second)) == [200, 500]


def test_a_request_too_long_to_be_kept_is_503(service: Service) -> None:
    pid, url = service
    with connect(url) as caller:
        body = plain("red") + bytes(LONGEST)  # what follows a picture is nothing to it
        caller.sendall(post(ROAD, body))
        time.sleep(0.1)
        kill(pid)
        status, document = answer(caller)
        assert status == 503
        assert "too long" in str(document["error"])


def test_of_requests_sent_at_once_none_is_answered_twice_or_in_another_s_place(service: Service) -> None:
    pid, url = service
    with connect(url) as caller:
        caller.sendall(short() + SLOW)
        assert answer(caller)[1]["model"] == "length"
        time.sleep(0.1)
        kill(pid)
        assert caller.recv(65536) == b""  # the second's answer is missed, and that is said
    with connect(url) as caller:
        caller.sendall(short())
        assert answer(caller)[0] == 200


def test_an_answer_that_is_only_a_head_is_sent(service: Service) -> None:
    _, url = service
    for keep in ("keep-alive", "close"):
        with connect(url) as caller:
            caller.sendall(f"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: {keep}\r\n\r\n".encode())
            assert caller.recv(65536).endswith(b"\r\n\r\n")


def test_an_answer_in_many_pieces_comes_whole(service: Service) -> None:
    _, url = service
    script = httpx2.get(f"{url}/swagger/swagger-ui-bundle.js")
    assert len(script.content) == int(script.headers["content-length"]) > 1_000_000


def test_workers_killed_under_load_cost_no_request(service: Service) -> None:
    pid, url = service
    over = False

    def ask(_: int) -> int:
        asked = 0
        with connect(url) as caller:
            while not over:
                caller.sendall(short())
                status, document = answer(caller)
                assert (status, document["model"]) == (200, "length")
                asked += 1
        return asked

    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(ask, turn) for turn in range(8)]
        for _ in range(4):
            time.sleep(0.3)
            killed = max(children(pid))
            os.kill(killed, signal.SIGKILL)
            eventually(lambda killed=killed: killed not in children(pid) and len(children(pid)) == 2)
        over = True
        assert sum(each.result() for each in asked) > 100
