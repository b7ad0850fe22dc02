"""By when a request must be answered, and before whom: what the batcher goes by besides the order of coming."""

import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST, NORMAL, LAST = 1, 2, 3  # priorities


def never() -> bool:
    return False


@dataclass(slots=True)
class Schedule:
    arrived: float  # of time.perf_counter, as the deadline
    deadline: float
    asked: bool = False  # by the client itself, who is to hear at its deadline that there is no answer
    priority: int = NORMAL
    request_id: str = ""  # for the log
    gone: Callable[[], bool] = never  # whether the client went away, so that nobody waits for the answer

    def shorten(self, deadline: float) -> None:
        """By the wish of the client."""
        self.asked = True
        self.deadline = min(self.deadline, deadline)

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.perf_counter()


def within(seconds: float) -> Schedule:
    now = time.perf_counter()
    return Schedule(now, now + seconds)
