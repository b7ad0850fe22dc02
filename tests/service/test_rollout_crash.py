"""A candidate that brings down the process that runs it."""

import sys
import threading
from collections.abc import Iterator

import httpx2
import pytest

from tests.conftest import started
from tests.service.candidates import DIM, HTTP, ask, figures, judged, state_of, write_versions
from tests.service.deadly import deadly


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("crash") / "models"
    for mode in ("shadow", "canary"):
        write_versions(models, mode, deadly(), mode=mode)
    with started(models, workers=2, command=(sys.executable, "-m", "tests.service.deadly")) as (_, url):
        yield url


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_a_candidate_that_ends_its_worker_is_rolled_back_and_no_answer_is_lost(url: str, mode: str) -> None:
    seen: list[tuple[str, str]] = []
    stop = threading.Event()

    def call() -> None:
        with httpx2.Client(timeout=60) as http:
            while not stop.is_set():
                seen.append(ask(url, mode, DIM, http=http))

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    try:
        while state_of(url, mode)["state"] == "running":
            assert all(caller.is_alive() for caller in callers)
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    assert set(seen) == {("1", "red")}
    assert judged(url, mode) == "rolled back"
    assert state_of(url, mode)["reason"] == "a worker process ended while it ran the candidate"
    assert 1 <= figures(url, mode)["worker_ends"] <= 2
    assert f'maxpool_rollout_worker_ends_total{{model="{mode}"' in HTTP.get(f"{url}/metrics").text
    assert ask(url, mode, DIM) == ("1", "red")
