"""Somebody sets the system's clock, as libfaketime does it: no deadline, no measured time and no connection sees it."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT, eventually, plain, started
from tests.service.slow import ROAD

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
HOUR = 3600
# For what is shown as a point in time, and for nothing that is waited for or measured.
SHOWN = {"service/modelmetrics.py", "service/requestlog.py"}

Set = Callable[[int], None]  # seconds, by which the clock is ahead


@pytest.fixture(scope="module")
def service(slow_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Set]]:
    if FAKETIME is None:
        pytest.skip("no libfaketime")
    offset = tmp_path_factory.mktemp("clock") / "offset"

    def set_clock(seconds: int) -> None:
        offset.write_text(f"{seconds:+d}\n")

    set_clock(0)
    fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1"}
    # One process, as time.sleep, by which the first of several waits for its workers, fails under libfaketime.
    with started(slow_models, workers=1, **fake, FAKETIME_DONT_FAKE_MONOTONIC="1") as (_, url):
        yield url, set_clock


def shown_time(url: str) -> float:
    return parsedate_to_datetime(httpx2.get(f"{url}/healthz").headers["date"]).timestamp()


@pytest.mark.parametrize("jump", [HOUR, -2 * HOUR])
def test_a_jump_of_the_clock_ends_no_request_and_no_connection(service: tuple[str, Set], jump: int) -> None:
    url, set_clock = service
    set_clock(0)
    with httpx2.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(1) as caller:
        assert client.get("/healthz").status_code == 200
        slow = caller.submit(client.post, ROAD, content=plain("red"), headers={"x-request-timeout-ms": "30000"})
        set_clock(jump)
        assert slow.result().status_code == 200
        assert client.get("/healthz").status_code == 200
        answer = httpx2.post(f"{url}{ROAD}", content=plain("red"), headers={"x-request-timeout-ms": "5"}, timeout=60)
        assert answer.status_code in (503, 504)  # a deadline is one, still
    eventually(lambda: abs(shown_time(url) - time.time() - jump) < HOUR / 2)  # it did jump


def test_no_time_that_was_measured_is_negative_or_an_hour(service: tuple[str, Set]) -> None:
    url, set_clock = service
    for jump in (HOUR, -HOUR, 0):
        set_clock(jump)
        assert httpx2.post(f"{url}{ROAD}", content=plain("red"), timeout=60).status_code == 200
    sums = re.findall(r"^maxpool_\w+_seconds_sum\S* (\S+)$", httpx2.get(f"{url}/metrics").text, re.MULTILINE)
    assert len(sums) >= 4
    assert all(0 <= float(found) < HOUR / 2 for found in sums)


def test_the_clock_that_can_be_set_is_read_only_to_be_shown() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "service").rglob("*.py")
        if re.search(r"\btime\.time\(|datetime\.(now|utcnow)\(|\bfrom time import .*\btime\b", path.read_text())
    }
    assert readers <= SHOWN
    assert "service/modelmetrics.py" in readers
