"""Whatever goes wrong in the service is one line of JSON, and its clients learn no more than an id to ask for."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest

from service.log import LONGEST, JsonFormatter, Stderr
from service.protocols.oip_messages import SERVICE
from tests.conftest import free_port
from tests.service.faulty import INSIDE
from tests.service.logged import Logged, logged, parsed

HOSTILE = ["a\nb", "a\r\nb", "\x1b[31mred", "a\x7fb", "\udc80", "\ud800", "\u2028", "\x00", '"},{"', "ü", "😀"]


def line_of(text: str, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("maxpool", logging.ERROR, __file__, 1, "it failed: %s", (text,), info)
    return JsonFormatter().format(record)


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_quoted_a_line_is_one_line(text: str) -> None:
    line = line_of(text)
    (fields,) = parsed(line.encode())
    assert fields["message"].startswith("it failed: ")
    assert fields["message"].encode() == f"it failed: {text}".encode("utf-8", "backslashreplace")


def test_the_check_of_a_line_finds_what_is_none() -> None:
    for bad in (b'{"time":"","level":"","logger":"a\x1bb"}\n', b"plain text\n", b'{"time":"","level":""}\n'):
        with pytest.raises((AssertionError, json.JSONDecodeError)):
            parsed(bad)


@pytest.mark.parametrize("text", ["x" * 10_000, "\n" * 10_000, "😀" * 10_000, "\udc80" * 10_000])
def test_no_line_is_longer_than_a_pipe_takes_at_once(text: str) -> None:
    line = line_of(text)
    assert len(line) < LONGEST
    assert json.loads(line)["message"].endswith("…")


def test_of_a_long_traceback_the_end_is_kept() -> None:
    try:
        raise ValueError("begins" + "x" * 10_000 + "ends")
    except ValueError as error:
        exception = json.loads(line_of("so", error))["exception"]
    assert exception.endswith("ends")
    assert "begins" not in exception


def test_a_mistake_in_a_line_of_the_log_is_a_line_too() -> None:
    record = logging.LogRecord("maxpool", logging.ERROR, __file__, 1, "%d of %d", ("one",), None)
    assert json.loads(JsonFormatter().format(record))["message"] == "%d of %d"


def test_a_full_pipe_holds_nobody_up() -> None:
    """pytest would hang here if it did."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as stream:
        log = logging.Logger("full")
        handler = Stderr(stream)
        handler.setFormatter(JsonFormatter())
        log.addHandler(handler)
        for _ in range(1000):
            log.error("x" * 1000)
        os.set_blocking(reader.fileno(), False)
        assert 0 < len(parsed(reader.read())) < 1000
        log.error("again")
        assert [line["message"] for line in parsed(reader.read())] == ["again"]


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Logged, int]]:
    """With bugs, and its gRPC port."""
    port = free_port()
    file = tmp_path_factory.mktemp("log") / "log"
    with logged(tiny_models, file, module="tests.service.faulty", grpc_port=port) as log:
        yield log, port


def check(answer: httpx2.Response, log: Logged) -> None:
    """The client has the id and nothing of the inside; the log has the inside under the id."""
    assert answer.status_code == 500
    body = answer.json()
    request_id = answer.headers["x-request-id"]
    assert body["reason"] == "InternalError"
    assert request_id in body["error"]
    for inside in (INSIDE, "Traceback", "RuntimeError", ".py", "/"):
        assert inside not in answer.text
    bug, request = sorted(log.of(request_id, count=2), key=lambda line: line["logger"])
    assert (bug["level"], request["status"], request["reason"]) == ("error", 500, "InternalError")
    assert "in bug\n" in bug["exception"]
    assert INSIDE in bug["exception"]


@pytest.mark.parametrize("request_id", [None, "mine"])
@pytest.mark.parametrize("path", ["/v1/models/colour/predict", "/v2"])
def test_a_bug_is_a_500_with_an_id_and_its_traceback_is_in_the_log(
    service: tuple[Logged, int], path: str, request_id: str | None
) -> None:
    log, _ = service
    headers = {"x-request-id": f"{request_id}{path.replace('/', '-')}"} if request_id else {}
    method = "GET" if path == "/v2" else "POST"
    check(httpx2.request(method, f"{log.url}{path}", content=b"burst", headers=headers), log)


def test_so_it_is_over_grpc(service: tuple[Logged, int]) -> None:
    log, port = service
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        call = channel.unary_unary(f"/{SERVICE}/ServerMetadata").future(b"", timeout=20)
        call.exception()
    metadata = dict(call.trailing_metadata())
    assert call.code() is grpc.StatusCode.INTERNAL
    assert metadata["reason"] == "InternalError"
    assert metadata["x-request-id"] in call.details()
    assert INSIDE not in call.details()
    bug, refusal = sorted(log.of(metadata["x-request-id"], count=2), key=lambda line: line["logger"])
    assert INSIDE in bug["exception"]
    assert (refusal["status"], refusal["reason"]) == (500, "InternalError")


def test_what_python_itself_would_print_is_a_line_too(tmp_path: Path) -> None:
    code = (
        "import threading, warnings; from service.log import set_up; set_up('info'); warnings.warn('one');"
        "thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join(); raise SystemError('three')"
    )
    with (tmp_path / "log").open("wb") as log:
        os.waitpid(
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-c", code],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
            ),
            0,
        )
    lines = parsed((tmp_path / "log").read_bytes())
    assert [line["level"] for line in lines] == ["warning", "critical", "critical"]
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert "three" in lines[2]["exception"]
