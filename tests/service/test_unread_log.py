"""A log that is read too slowly, or by nobody: what is dropped, what is written at the end, and that nobody waits."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter

from service import requestlog
from service.requestid import Identity
from service.requestlog import Entry, RequestLog
from tests.conftest import eventually, plain, write_colour
from tests.service.logged import logged, parsed
from tests.service.metrics import counted

COLOUR = "/v1/models/colour/predict"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_waits_at_the_stop_is_written(tiny_models: Path, tmp_path: Path, workers: int) -> None:
    with logged(tiny_models, tmp_path / "log", workers=workers) as log:
        ids = [httpx2.get(f"{log.url}/nothing").headers["x-request-id"] for _ in range(40)]
    lines = parsed(log.file.read_bytes())
    assert sorted(line["request_id"] for line in lines if line["logger"] == "maxpool.request") == sorted(ids)


def test_a_log_that_nobody_reads_holds_no_request(tmp_path: Path) -> None:
    """More lines than a pipe and the room of a service that has little: what does not fit is dropped and counted, and
    an error of the service itself, in the meantime, holds nothing up either."""
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDWR)  # open, so that the service can write
    mine = tmp_path / "models"
    write_colour(mine / "colour" / "1")
    try:
        with logged(mine, tmp_path / "log", module="tests.service.faulty") as log:
            head = b"GET /%s HTTP/1.1\r\nhost: x\r\n" % (b"x" * 250)
            with socket.create_connection(("127.0.0.1", int(log.url.rpartition(":")[2])), timeout=60) as connection:
                for _ in range(10):
                    connection.sendall((head + b"\r\n") * 100)
                    answers = b""
                    while answers.count(b"HTTP/1.1 404") < 100 or not answers.endswith(b"}"):
                        answers += connection.recv(1 << 20)
            eventually(lambda: counted(log.url, "maxpool_log_lines_dropped_total") > 0)
            for _ in range(20):
                httpx2.post(f"{log.url}{COLOUR}", content=b"burst")  # a traceback each
            write_colour(tmp_path / "coming" / "2", graph=b"none").rename(mine / "colour" / "2")
            eventually(lambda: counted(log.url, "maxpool_model_load_failures_total") == 1)
            answer = httpx2.post(f"{log.url}{COLOUR}", content=plain("red"))
            assert answer.json()["predictions"][0]["label"] == "red"
            # Read again, it goes on, and says how many there were that it has not.
            os.set_blocking(reader, False)
            written = b""

            def told() -> bool:
                nonlocal written
                with suppress(BlockingIOError):
                    while True:
                        written += os.read(reader, 1 << 20)
                return b"lines of the request log were dropped" in written

            eventually(told)
            assert counted(log.url, "maxpool_log_lines_dropped_total") < 1000
    finally:
        os.close(reader)


def entry(path: bytes = b"/", request_id: str = "a") -> Entry:
    return Entry(Identity(request_id), "GET", path, 404, "NotFound", ("127.0.0.1", 1), 10)


def test_lines_that_find_no_room_are_dropped_and_counted_to_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestlog, "CLOSING_SECONDS", 60)
    read, write = os.pipe()
    kept: list[bytes] = []

    def drain() -> None:
        while data := os.read(read, 1 << 20):
            kept.append(data)

    reader = Thread(target=drain)
    dropped = Counter("dropped", "", registry=CollectorRegistry())

    async def fill() -> None:
        requests = RequestLog(dropped, on=True, descriptor=write)
        for _ in range(6000):
            requests.add(entry(b"/" + b"\xff" * 255))  # a kilobyte, as it is shown
        reader.start()
        await requests.close()

    asyncio.run(fill())
    os.close(write)
    reader.join()
    os.close(read)
    lines = [line for line in parsed(b"".join(kept)) if line["logger"] == "maxpool.request"]
    assert lines[0]["path"] == "/" + r"\xff" * 255
    assert 0 < dropped._value.get() == 6000 - len(lines)


def test_a_stop_does_not_wait_for_who_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestlog, "CLOSING_SECONDS", 0.1)
    read, write = os.pipe()

    async def fill() -> None:
        requests = RequestLog(Counter("dropped", "", registry=CollectorRegistry()), on=True, descriptor=write)
        for _ in range(1000):
            requests.add(entry())
        await requests.close()

    asyncio.run(fill())
    os.close(read)  # ends the thread that waits for it
    os.close(write)


def test_a_closed_stderr_harms_nobody() -> None:
    read, write = os.pipe()
    os.close(read)

    async def fill() -> None:
        requests = RequestLog(Counter("dropped", "", registry=CollectorRegistry()), on=True, descriptor=write)
        for _ in range(100):
            requests.add(entry())
            await asyncio.sleep(0)
        await requests.close()

    asyncio.run(fill())
    os.close(write)
