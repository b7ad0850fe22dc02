import logging

import pytest

from service.engine import trouble
from service.engine.trouble import REMIND_SECONDS, Trouble


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Clock:
    caplog.set_level(logging.INFO, "maxpool")
    clock = Clock()
    monkeypatch.setattr(trouble, "time", clock)
    return clock


def test_what_fails_again_and_again_is_said_once_and_then_once_a_minute(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    looks = Trouble("a look")
    for _ in range(int(REMIND_SECONDS) * 2 + 1):
        looks.met("no folder")
        clock.now += 1
    assert caplog.messages == [
        "a look failed: no folder",
        "a look failed (60 times): no folder",
        "a look failed (60 times): no folder",
    ]


def test_another_reason_is_said_at_once_but_no_more_than_once_a_second(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    looks = Trouble("a look")
    looks.met("no folder")
    clock.now += 1
    looks.met("no disk")
    looks.met("no folder")  # they take turns
    clock.now += 1
    looks.met("no folder")
    assert caplog.messages == [
        "a look failed: no folder",
        "a look failed: no disk",
        "a look failed (2 times): no folder",
    ]


def test_the_traceback_of_what_nobody_foresaw_is_shown_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    looks = Trouble("a look")
    for _ in range(2):
        looks.met("a bug", ValueError("so"))
        clock.now += REMIND_SECONDS
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]


def test_it_is_said_when_it_works_again(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    looks = Trouble("a look")
    looks.over()
    looks.met("no folder")
    looks.over()
    looks.over()
    looks.met("no folder")
    assert caplog.messages == ["a look failed: no folder", "a look works again", "a look failed: no folder"]
