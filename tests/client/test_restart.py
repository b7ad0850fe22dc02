"""A service that is killed in the middle of a stream, and started again on its port."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import maxpool_client
import pytest

from tests.conftest import ROOT, answers, free_port, wait_until

from .conftest import Caller, all_of

COUNT = 6000


class Restarted:
    def __init__(self, models: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environ = os.environ | {
            "MAXPOOL_PORT": str(self.port),
            "MAXPOOL_GRPC_PORT": "0",
            "MAXPOOL_MODELS": str(models),
            "MAXPOOL_WORKERS": "2",
        }
        self.start()
        wait_until(lambda: answers(f"{self.url}/healthz"), self._process)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=ROOT, env=self._environ, start_new_session=True
        )

    def kill(self) -> None:
        """With all its workers, and no time to say goodbye."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def service(tiny_models: Path) -> Iterator[Restarted]:
    running = Restarted(tiny_models)
    yield running
    running.kill()


def test_a_stream_outlasts_a_service_that_is_killed_and_started_again(call: Caller, service: Restarted) -> None:
    def given() -> Iterator[str]:
        for turn in range(COUNT):
            if turn == COUNT // 2:  # requests are under way, and their answers will never come
                service.kill()
                service.start()
            yield ("so it goes", "a film that goes on and on")[turn % 2]

    found = call(service.url, lambda c: all_of(c.classify_many("length", given())))
    assert [answer.label for _, answer in found] == ["short", "long"] * (COUNT // 2)


def test_patience_ends_where_nobody_starts_it_again(call: Caller, tiny_models: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(maxpool_client.ConnectionFailed):
        call(url, lambda c: all_of(c.classify_many("length", ["so it goes"], patience=0.5)))
