"""Limits that several processes share: real forks, which ask as fast as they can."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from service.errors import SettingsError, TooManyRequests
from service.limits import CALLERS, Limit, Limits, Quota

PROCESSES = 4


def admitted(limit: Limit) -> bool:
    try:
        limit.enter()
    except TooManyRequests:
        return False
    return True


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """The id of a process that does it, and where what it writes can be read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            work(writer)
        finally:
            os._exit(0)
    os.close(writer)
    return pid, reader


def said(pid: int, reader: int) -> bytes:
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    limit = Limits(1).of("caller", Quota(rate=5, burst=3))
    assert [admitted(limit) for _ in range(4)] == [True, True, True, False]
    with pytest.raises(TooManyRequests, match="5 requests a second, and 3 together") as refusal:
        limit.enter()
    assert refusal.value.retry_after == 1
    time.sleep(0.21)
    assert admitted(limit)
    assert not admitted(limit)


def test_the_wait_is_told_in_whole_seconds() -> None:
    limit = Limits(1).of("caller", Quota(rate=0.1))
    limit.enter()
    with pytest.raises(TooManyRequests) as refusal:
        limit.enter()
    assert refusal.value.retry_after == 10


def test_all_processes_together_get_what_one_would() -> None:
    """Four that ask ten times as often as they may: not one request less, and a few more only where the machine stops
    one of them while it holds the lock."""
    limit = Limits(PROCESSES + 1).of("caller", Quota(rate=500, burst=500))

    def empty() -> tuple[float, float, int]:
        """Seconds before and after which there was less than one request left, and how many there were."""
        count = 0
        last = before = time.monotonic()
        while admitted(limit):
            count, last, before = count + 1, before, time.monotonic()
        return last, time.monotonic(), count

    def ask(writer: int) -> None:
        count = 0
        for _ in range(2500):
            count += admitted(limit)
            time.sleep(0.0002)
        os.write(writer, str(count).encode())

    started, emptied, _ = empty()
    counts = [int(said(*each)) for each in [forked(ask) for _ in range(PROCESSES)]]
    asked, ended, last = empty()
    assert min(counts) > 0
    assert 500 * (asked - emptied) - 1 <= sum(counts) + last <= 1.05 * 500 * (ended - started) + 1


def test_what_is_under_way_is_counted_over_processes_and_ends_with_them() -> None:
    limits = Limits(3)
    limit = limits.of("caller", Quota(concurrency=3))
    assert admitted(limit)

    def hold(writer: int) -> None:
        os.write(writer, bytes(admitted(limit) for _ in range(4)))
        time.sleep(60)

    pid, reader = forked(hold)
    assert os.read(reader, 4) == bytes([True, True, False, False])
    os.close(reader)
    assert not admitted(limit)
    limit.leave()
    assert admitted(limit)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert [admitted(limit) for _ in range(3)] == [True, True, False]
    assert admitted(limits.of("another", Quota(concurrency=1)))


def test_processes_come_and_go_without_end() -> None:
    limit = Limits(2).of("caller", Quota(concurrency=2))
    for _ in range(5):
        assert said(*forked(lambda writer: os.write(writer, bytes([admitted(limit)])) and None)) == b"\1"


def test_a_process_that_is_stopped_within_the_lock_stops_no_other() -> None:
    limits = Limits(2)
    limit = limits.of("caller", Quota(rate=1000))

    def stop(writer: int) -> None:
        with limits.locked(0):
            os.write(writer, b"x")
            time.sleep(60)

    pid, reader = forked(stop)
    try:
        assert os.read(reader, 1) == b"x"
        assert admitted(limit)
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_there_are_only_so_many_names() -> None:
    limits = Limits(1)
    for number in range(CALLERS):
        limits.of(str(number), Quota(concurrency=1))
    with pytest.raises(SettingsError, match="start the service again"):
        limits.of("one more", Quota())
    limits.of("7", Quota(concurrency=1)).enter()
