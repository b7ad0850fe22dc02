"""Requests that are under way when their model is unloaded."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx2

from tests.conftest import plain, write_colour, write_length
from tests.service.administrator import administered, control

CALLERS = 6  # connections: each of the two workers has some of them


def test_whoever_came_before_the_unload_is_answered_and_nobody_after(tmp_path: Path) -> None:
    """Their heads were read before, and their bodies come after."""
    write_colour(tmp_path / "models" / "colour" / "1")
    write_length(tmp_path / "models" / "length" / "1")
    body = plain("red")
    head = b"POST /v1/models/colour/predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n"
    with administered(tmp_path / "models") as (_, url), ExitStack() as opened:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        callers = [opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(CALLERS)]
        for caller in callers:
            caller.sendall(head + b"content-length: %d\r\n\r\n" % len(body))
        assert {caller.recv(4096)[:12] for caller in callers} == {b"HTTP/1.1 100"}
        assert control(url, "colour", "unload").status_code == 200
        later = [httpx2.post(f"{url}/v1/models/colour/predict", content=body) for _ in range(CALLERS)]
        assert {answer.status_code for answer in later} == {404}
        for caller in callers:
            caller.sendall(body)
        answers = [b"".join(iter(lambda caller=caller: caller.recv(65536), b"")) for caller in callers]
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
