"""A model that takes a good part of a second a row: who can not be answered in time is told so, and costs nothing."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import httpx2
import pytest

from tests.conftest import eventually, plain, serving
from tests.service.metrics import counted
from tests.service.slow import ROAD, write_slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("slow")
    write_slow(folder / "slow" / "1")
    with serving(models=folder, workers=1) as url:
        yield url


def ask(url: str, milliseconds: int | None = None) -> httpx2.Response:
    headers = {} if milliseconds is None else {"x-request-timeout-ms": str(milliseconds)}
    return httpx2.post(f"{url}{ROAD}", content=plain("red"), headers=headers, timeout=60)


def test_a_deadline_that_passes_during_the_run_is_504_at_the_deadline(url: str) -> None:
    answer = ask(url, 30)
    assert answer.status_code == 504
    assert "deadline" in answer.json()["error"]
    assert ask(url, 30_000).status_code == 200


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "soon", "", "99999999999"])
def test_a_timeout_that_is_no_number_of_milliseconds_is_refused(url: str, wrong: str) -> None:
    answer = httpx2.post(f"{url}{ROAD}", content=plain("red"), headers={"x-request-timeout-ms": wrong})
    assert answer.status_code == 400
    assert "milliseconds" in answer.json()["error"]


def test_under_overload_the_refused_hear_it_at_once_and_nobody_is_run_in_vain(url: str) -> None:
    alone = min(ask(url).elapsed.total_seconds() for _ in range(3))
    deadline = int(8000 * alone)  # for some 16 of 40, on two lanes
    runs = counted(url, "maxpool_batch_duration_seconds_count")
    with ThreadPoolExecutor(40) as callers:
        answers = list(callers.map(lambda _: ask(url, deadline), range(40)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {200, 503, 504}
    assert codes.count(200) >= 2
    assert codes.count(503) >= 5
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert "deadline" in answer.json()["error"]
    run = counted(url, "maxpool_batch_duration_seconds_count") - runs
    assert run <= codes.count(200) + 4  # the lanes' rows at the deadline
    assert ask(url).status_code == 200


def test_work_of_clients_that_went_away_is_never_run(url: str) -> None:
    assert ask(url).status_code == 200
    answered, cancelled = (counted(url, name) for name in ("maxpool_requests_total", "maxpool_cancelled_total"))
    body = plain("red")
    head = f"POST {ROAD} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    port = int(url.rpartition(":")[2])
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(head + body)
    sleep(0.1)
    for connection in connections:
        connection.close()

    def run() -> float:
        return counted(url, "maxpool_requests_total") - answered

    eventually(lambda: counted(url, "maxpool_cancelled_total") - cancelled + run() == 20)
    assert run() <= 6  # what was in the lanes when they left


def test_the_protocol_s_timeout_is_taken_in_microseconds(url: str) -> None:
    tensor = {"name": "image", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [255, 0, 0] * 64}
    for timeout, expected in ((30_000, 504), (60_000_000, 200), (0, 200)):
        document = {"inputs": [tensor], "parameters": {"timeout": timeout, "priority": 1}}
        assert httpx2.post(f"{url}/v2/models/slow/infer", json=document, timeout=60).status_code == expected


@pytest.mark.parametrize(("asked", "status"), [(None, b"200"), (1000, b"504")])
def test_the_time_of_sending_counts_for_a_deadline_that_was_asked_for_alone(
    tiny_models: Path, asked: int | None, status: bytes
) -> None:
    body = plain("red")
    with serving(models=tiny_models, workers=1, timeout_seconds=1) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            header = f"x-request-timeout-ms: {asked}\r\n" if asked else ""
            head = f"POST /v1/models/colour/predict HTTP/1.1\r\nhost: x\r\n{header}content-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:20])
            sleep(1.5)
            connection.sendall(body[20:])
            assert connection.recv(100).split()[1] == status
