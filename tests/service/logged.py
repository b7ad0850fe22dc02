"""A service whose log goes into a file, and what the log says."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx2

from service.protocols.oip_messages import SERVICE
from tests.conftest import eventually, free_port, started, write_colour, write_spoiled

COLUMNS = 4096  # bytes that a line may have, its end included


@dataclass(frozen=True)
class Logged:
    pid: int
    url: str
    file: Path

    def lines(self) -> list[dict[str, Any]]:
        return parsed(self.file.read_bytes())

    def of(self, request_id: str, *, count: int = 1) -> list[dict[str, Any]]:
        """The lines that have this id, as soon as there are as many."""
        eventually(lambda: len(self._of(request_id)) >= count)
        return self._of(request_id)

    def line(self, request_id: str) -> dict[str, Any]:
        (line,) = self.of(request_id)
        return line

    def _of(self, request_id: str) -> list[dict[str, Any]]:
        """Of whole lines: the last one may be on its way."""
        whole = self.file.read_bytes().rpartition(b"\n")[0]
        return [line for line in parsed(whole) if line.get("request_id") == request_id]


def parsed(log: bytes) -> list[dict[str, Any]]:
    """Every line of it is one object of JSON in printable ASCII, and says when it was and how bad it is."""
    assert not [byte for byte in log if byte != 0x0A and not 0x20 <= byte < 0x7F], log
    found = []
    for line in log.split(b"\n"):
        if line:
            assert len(line) < COLUMNS
            fields = json.loads(line)
            assert {"time", "level", "logger"} <= fields.keys()
            found.append(fields)
    return found


@contextmanager
def logged(
    models: Path, file: Path, *, workers: int = 1, module: str = "service", **settings: object
) -> Iterator[Logged]:
    """With a line for each request."""
    command = ("/bin/sh", "-c", 'exec "$0" -m "$1" 2>> "$2"', sys.executable, module, str(file))
    given = {"request_log": 1, **settings}
    environ = {f"MAXPOOL_{name.upper()}": str(value) for name, value in given.items()}
    with started(models, workers=workers, command=command, **environ) as (pid, url):
        yield Logged(pid, url, file)


@dataclass(frozen=True)
class Served:
    log: Logged
    http: httpx2.Client
    channel: grpc.Channel


def write_models(folder: Path) -> Path:
    """colour, length, and one that is refused."""
    write_spoiled(folder)
    (folder / "colour").rename(folder / "spoiled")
    write_colour(folder / "colour" / "1")
    return folder


@contextmanager
def serving_logged(models: Path, file: Path) -> Iterator[Served]:
    """Over HTTP and gRPC."""
    port = free_port()
    with (
        logged(models, file, grpc_port=port, max_body_bytes=1024 * 1024) as log,
        httpx2.Client(base_url=log.url, timeout=30) as http,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        grpc.channel_ready_future(channel).result(timeout=30)
        yield Served(log, http, channel)


def ask(channel: grpc.Channel, name: str, message: bytes, request_id: str) -> tuple[grpc.StatusCode, dict[str, str]]:
    future = channel.unary_unary(f"/{SERVICE}/{name}").future(
        message, metadata=(("x-request-id", request_id),), timeout=20
    )
    future.exception()
    return future.code(), dict(future.trailing_metadata())


def id_of(answer: bytes) -> str:
    (line,) = (each for each in answer.split(b"\r\n") if each.startswith(b"x-request-id: "))
    return line.partition(b": ")[2].decode()
