"""How many connections there may be: by the settings, and when the system has no descriptors left."""

import json
import os
import resource
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.conftest import answers, children, eventually, started
from tests.service.test_connection import HEALTH, alive, codes, connect, good_traffic, received


def test_a_connection_too_many_is_told_to_come_back_and_the_others_are_answered(tiny_models: Path) -> None:
    with started(tiny_models, workers=1, MAXPOOL_MAX_CONNECTIONS="10") as (_, url), ExitStack() as opened:
        with good_traffic(url) as good:
            eventually(lambda: len(good) > 2)
            kept = [opened.enter_context(connect(url)) for _ in range(9)]
            refused = received(opened.enter_context(connect(url)))
            assert codes(refused) == [503]
            assert b"retry-after: 1\r\n" in refused
            assert b'{"error":"the server has 10 connections open (MAXPOOL_MAX_CONNECTIONS)' in refused
            kept[0].sendall(HEALTH + b"\r\n")
            assert codes(kept[0].recv(65536)) == [200]
            assert 'maxpool_rejected_total{reason="TooManyConnections"}' in metrics(kept[1])
        opened.close()
        eventually(lambda: alive(url))
    assert set(good) == {200}


def metrics(connection: socket.socket) -> str:
    connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    return received(connection).decode()


def test_one_address_can_not_take_all(tiny_models: Path) -> None:
    with (
        started(tiny_models, workers=1, MAXPOOL_MAX_CONNECTIONS_PER_ADDRESS="3") as (_, url),
        ExitStack() as opened,
    ):
        for _ in range(3):
            opened.enter_context(connect(url))
        refused = received(opened.enter_context(connect(url)))
        assert codes(refused) == [503]
        assert b"MAXPOOL_MAX_CONNECTIONS_PER_ADDRESS" in refused
        with opened.enter_context(connect(url, address="127.0.0.2")) as other:
            other.sendall(HEALTH + b"connection: close\r\n\r\n")
            assert codes(received(other)) == [200]


def processor_seconds(pids: set[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(("workers", "first_has"), [(1, 64), (2, 64), (2, 4)])
def test_without_descriptors_it_waits_quietly_and_answers_when_they_are_back(
    tiny_models: Path, workers: int, first_has: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with started(tiny_models, workers=workers, MAXPOOL_RECEIVE_SECONDS="60", MAXPOOL_RELOAD_SECONDS="0") as (
        pid,
        url,
    ):
        every = {pid, *children(pid)}
        limits = {each: resource.prlimit(each, resource.RLIMIT_NOFILE) for each in every}
        for each, (_, most) in limits.items():
            few = first_has if each == pid else 64
            resource.prlimit(each, resource.RLIMIT_NOFILE, (few, most))
        capfd.readouterr()
        with ExitStack() as opened:
            for _ in range(200):
                with suppress(ConnectionError):
                    opened.enter_context(connect(url))
            before = processor_seconds(every)
            time.sleep(2)
            spent = processor_seconds(every) - before
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])
        # of info: the other worker may just be starting
        log = [line for line in capfd.readouterr().err.splitlines() if json.loads(line)["level"] != "info"]
        eventually(lambda: answers(f"{url}/healthz"))  # a worker may still be closing what it could not take
        assert alive(url)
        assert spent < 0.5
        assert len(log) <= 1
