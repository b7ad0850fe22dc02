"""Memory that all processes of a service share: what candidates of rollouts have done, and what they are doing.

Each process writes in its own slot, and the sum over the slots is the truth, whoever has died since.
"""

import math
import mmap
import time
from enum import IntEnum
from threading import Lock

PLACES = 16  # rollouts at the same time
RISK_SECONDS = 5


class Count(IntEnum):
    ROWS = 0  # that both versions have run
    AGREED = 1  # of those, with the same label on top
    SHIFT = 2  # sum over those of |difference| of the score of the label on top
    SERVE_SECONDS = 3  # sum over those of what a row alone takes
    CANDIDATE_SECONDS = 4
    FAILED = 5  # rows that the candidate failed on
    DROPPED = 6  # rows that one version ran and the other should have: too much was under way
    ANSWERED = 7  # requests, by the candidate as a canary
    FALLBACKS = 8  # requests that it was to answer and that were answered by the other
    ENDS = 9  # worker processes that ended while the candidate ran
    UNDER_WAY = 10  # runs of the candidate, now


class Tally:
    """To be made before the first fork, as the board, whose slots its slots are. The first process has slot 0."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._cells = memoryview(mmap.mmap(-1, 8 * slots * PLACES * len(Count))).cast("d")
        self._lock = Lock()  # runs begin and end in several threads
        self.slot = 0  # of this process
        self._buried = -math.inf  # when the last worker ended

    def add(self, place: int, count: Count, by: float = 1) -> None:
        """On the event loop."""
        self._cells[self._at(self.slot, place, count)] += by

    def begin_run(self, place: int) -> None:
        """Of the candidate; `end_run` when it has come back alive. In any thread."""
        with self._lock:
            self.add(place, Count.UNDER_WAY)

    def end_run(self, place: int) -> None:
        with self._lock:
            self.add(place, Count.UNDER_WAY, -1)

    def get(self, place: int, count: Count) -> float:
        return sum(self._cells[self._at(slot, place, count)] for slot in range(self._slots))

    def ended_a_worker(self, place: int) -> bool:
        return self._cells[self._at(0, place, Count.ENDS)] > 0

    def bury(self, slot: int) -> None:
        """By the first process: the worker of this slot has ended. What it ran is known from now on to all others."""
        self._buried = time.monotonic()
        for place in range(PLACES):
            at = self._at(slot, place, Count.UNDER_WAY)
            if self._cells[at] > 0:
                self._cells[at] = 0
                self.add(place, Count.ENDS)

    def at_risk(self) -> bool:
        """Whether another process may still end like the one that was buried: what was begun before it was known is not
        over yet. For some seconds at most."""
        if time.monotonic() > self._buried + RISK_SECONDS:
            return False
        places = [place for place in range(PLACES) if self.ended_a_worker(place)]
        return any(self.get(place, Count.UNDER_WAY) for place in places)

    def clear(self, place: int) -> None:
        """Of a place that nobody uses."""
        for slot in range(self._slots):
            for count in Count:
                self._cells[self._at(slot, place, count)] = 0

    @staticmethod
    def _at(slot: int, place: int, count: Count) -> int:
        return (slot * PLACES + place) * len(Count) + count
