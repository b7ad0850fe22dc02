"""Clients that send or read too slowly, too much, or not HTTP: on raw sockets, against one worker and against two."""

import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.conftest import children, eventually, started

ROAD = "/v1/models/length/predict"
BODY = b'{"inputs": "hello"}'
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
PREDICT = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" % ROAD.encode()
PREDICTION = PREDICT + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = PREDICT + b"transfer-encoding: chunked\r\n\r\n"
MAX_BODY_BYTES = 1024 * 1024

Service = tuple[int, str]  # process id, URL


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def service(tiny_models: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    settings = {"RECEIVE_SECONDS": "1", "KEEP_ALIVE_SECONDS": "2", "MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    with started(tiny_models, workers=request.param, **prefixed(settings)) as given:
        yield given


def prefixed(settings: dict[str, str]) -> dict[str, str]:
    return {f"MAXPOOL_{name}": value for name, value in settings.items()}


def connect(url: str, *, address: str = "127.0.0.1") -> socket.socket:
    """From an address of this machine."""
    port = int(url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))


def answer_to(url: str, request: bytes, *, half_close: bool = False) -> bytes:
    """All that comes until the server closes, even if it closes before it has read the request."""
    with connect(url) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            answer += data
    return answer


def codes(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+)", answer) if code != b"100"]


def alive(url: str) -> bool:
    return httpx2.post(f"{url}{ROAD}", json={"inputs": "hello"}).json()["predictions"][0]["label"] == "short"


@contextmanager
def good_traffic(url: str) -> Iterator[list[int]]:
    """Predictions asked for all the while, one after another; their codes."""
    answered: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client(timeout=30) as client:
            while not over.wait(0.01):
                answered.append(client.post(f"{url}{ROAD}", json={"inputs": "hello"}).status_code)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        yield answered
    finally:
        over.set()
        caller.join()


@pytest.mark.parametrize(
    ("begun", "trickle"),
    [
        pytest.param(b"", b"", id="nothing sent"),
        pytest.param(b"", b"\r\n", id="empty lines"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nhost: x\r\na: ", b"x", id="head"),
        pytest.param(PREDICT + b"content-length: 1000000\r\n\r\n", b"x", id="body"),
        pytest.param(CHUNKED, b"1\r\nx\r\n", id="chunks"),
        pytest.param(CHUNKED + b"1;", b"x", id="chunk extension"),
    ],
)
def test_who_keeps_the_server_waiting_is_told_so_and_others_are_answered(
    service: Service, begun: bytes, trickle: bytes
) -> None:
    _, url = service
    answers: list[bytes] = []
    with ExitStack() as opened, good_traffic(url) as good, selectors.DefaultSelector() as selector:
        for _ in range(50):
            connection = opened.enter_context(connect(url))
            connection.sendall(begun)
            selector.register(connection, selectors.EVENT_READ)
        deadline = time.monotonic() + 60
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(timeout=0.1):
                selector.unregister(key.fileobj)
                answers.append(received(key.fileobj))  # type: ignore[arg-type]
            for waiting in list(selector.get_map().values()):
                with suppress(ConnectionError):
                    waiting.fileobj.send(trickle)  # type: ignore[union-attr]
    assert [codes(answer) for answer in answers] == [[408]] * 50
    assert b'{"error":"the request did not come within 1 s' in answers[0]
    assert set(good) == {200}


def test_a_slow_upload_that_gets_on_is_not_cut(service: Service) -> None:
    """Twice as long as a head may take."""
    _, url = service
    body = b'{"inputs": "hello"}' + b" " * 40_000
    with connect(url) as connection:
        connection.sendall(PREDICT + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 2000):
            connection.sendall(body[at : at + 2000])
            time.sleep(0.1)
        assert codes(received(connection)) == [200]


def sockets(pid: int) -> int:
    """Open in the process and its workers."""
    count = 0
    for each in {pid, *children(pid)}:
        for descriptor in Path(f"/proc/{each}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                count += str(descriptor.readlink()).startswith("socket:")
    return count


def test_who_does_not_read_the_answers_is_cut_off(tiny_models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The system's buffers take some megabytes, so there are many large answers."""
    with started(tiny_models, workers=2, MAXPOOL_RECEIVE_SECONDS="1") as (pid, url):
        before = sockets(pid)
        with ExitStack() as opened, good_traffic(url) as good:
            for _ in range(4):
                connection = opened.enter_context(connect(url))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
            eventually(lambda: sockets(pid) > before + 1)
            eventually(lambda: sockets(pid) <= before + 1)  # that of the good traffic
        assert set(good) == {200}
    assert '"level": "error"' not in capfd.readouterr().err


def test_a_connection_that_asks_for_nothing_more_is_closed(service: Service) -> None:
    _, url = service
    with connect(url) as connection:
        for _ in range(2):
            connection.sendall(PREDICTION)
            answer = b""
            while not answer.endswith(b"]}"):
                answer += connection.recv(65536)
            assert codes(answer) == [200]
        assert received(connection) == b""


@pytest.mark.parametrize("request_", [PREDICTION, HEALTH + b"\r\n", (HEALTH + b"\r\n") * 3 + PREDICTION])
def test_a_client_that_shuts_its_writing_side_is_answered(service: Service, request_: bytes) -> None:
    _, url = service
    assert codes(answer_to(url, request_, half_close=True)) == [200] * request_.count(b"host:")


def test_half_a_request_and_no_more_to_come_is_closed_at_once(service: Service) -> None:
    pid, url = service
    before = sockets(pid)
    assert answer_to(url, PREDICTION[:-1], half_close=True) == b""
    eventually(lambda: sockets(pid) <= before)


def test_reset_connections_leave_nothing_behind(service: Service) -> None:
    pid, url = service
    before = sockets(pid)
    for begun in (b"", HEALTH, PREDICTION[:-1], PREDICTION) * 25:
        with connect(url) as connection:
            connection.sendall(begun)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: sockets(pid) <= before)
    assert alive(url)


def test_head_and_body_of_an_answer_go_out_at_once(service: Service) -> None:
    """So that a process that is killed leaves no half of one to a proxy, which could get the whole of another."""
    _, url = service
    with connect(url) as connection:
        for _ in range(200):
            connection.sendall(PREDICTION)
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert len(body) == int(head.lower().partition(b"content-length: ")[2].split()[0])


def test_an_answer_that_is_a_head_and_no_more_goes_out_too(service: Service) -> None:
    _, url = service
    with connect(url) as connection:
        for _ in range(2):
            connection.sendall(HEALTH.replace(b"GET", b"HEAD") + b"\r\n")
            assert codes(connection.recv(65536)) == [405]
