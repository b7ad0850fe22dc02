"""How long a call may take and when it is tried again: a deadline, a pause that doubles, a budget for all calls."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from ._errors import retry_after

FIRST_PAUSE = 0.25  # seconds
LONGEST_PAUSE = 8.0
LONGEST_WAIT = 60.0  # a service that asks for more is not waited for
LONGEST_DEADLINE = 999_999_999  # milliseconds, more than eleven days: the service reads nine digits
RETRIED_STATUSES = (429, 502, 503, 504)
RETRIED_ERRORS = (httpx2.NetworkError, httpx2.RemoteProtocolError)


@dataclass(frozen=True)
class Pause:
    seconds: float


class Budget:
    """At most one retry in ten requests, after a first ten (Google's SRE book, chapter 21): clients that all try again
    must not be what keeps a service down."""

    FULL = 10.0
    EARNED = 0.1  # by a request that succeeded

    def __init__(self) -> None:
        self._tokens = self.FULL
        self._lock = threading.Lock()

    def earn(self) -> None:
        with self._lock:
            self._tokens = min(self.FULL, self._tokens + self.EARNED)

    def spend(self) -> bool:
        """Whether there was a retry left."""
        with self._lock:
            # Ten tenths are a little less than one.
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True


class Deadline(dict[str, Any]):
    """The timeouts of a request as httpx2 looks them up: before connecting, before sending, before waiting for the
    answer. Each may take what is left of the whole."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    def left(self) -> float:
        """Seconds; infinite where there is no deadline."""
        return self._end - self._clock()

    def get(self, phase: str, default: Any = None) -> Any:
        return None if self._end == math.inf else max(self.left(), 1e-3)

    def stamp(self, request: httpx2.Request) -> None:
        """Bounds the request, and tells the service by when an answer is still of use."""
        request.extensions["timeout"] = self
        if self._end < math.inf:
            request.headers["x-request-timeout-ms"] = str(min(max(1, int(self.left() * 1000)), LONGEST_DEADLINE))


def pause_before_retry(
    answer: httpx2.Response | httpx2.RequestError, attempt: int, jitter: Callable[[], float] = random.random
) -> Pause | None:
    """How long to wait before asking again; None when that would not help."""
    backoff = min(FIRST_PAUSE * 2.0 ** min(attempt, 8), LONGEST_PAUSE) * (1 - jitter() / 2)
    if isinstance(answer, httpx2.RequestError):
        return Pause(backoff) if isinstance(answer, RETRIED_ERRORS) else None
    if answer.status_code not in RETRIED_STATUSES:
        return None
    # On top of what was asked for, or all who were turned away come back at the same moment.
    asked = retry_after(answer) or 0.0
    return Pause(asked + backoff) if asked <= LONGEST_WAIT else None
