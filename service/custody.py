"""The first process's hold on the connections that it has dealt out, so that none ends with the worker that was killed.

killed -> idle connections, and those of which a part of a request has come, go to other workers -> whole requests, of
which one may be what killed it, are run again one after the other -> the one that kills a worker again is refused
"""

import logging
import resource
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from service.errors import InferenceFailed, MaxpoolError, Unavailable
from service.journal import Fate, Journals, Traffic
from service.metrics import Metrics
from service.refusal import refusal
from service.requestid import RequestIds

log = logging.getLogger("maxpool")
MOST = 512  # connections; those beyond are dealt out and let go
OTHERS = 128  # descriptors that are left for all else
NOT_KEPT = Unavailable(
    "the process that ran this request was killed, and the request is too long to be kept: send it again"
)
KILLS = InferenceFailed("two processes were killed while they ran this request: it is not run again")

Hand = Callable[[socket.socket, int], int | None]  # a connection and its slot to a worker, by its process id


@dataclass
class Held:
    connection: socket.socket
    slot: int
    pid: int  # of the worker that has it, too


def capacity() -> int:
    """How many connections can be held, by the descriptors that a process may have; none where the system does not
    count their bytes."""
    if sys.platform != "linux":
        return 0
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(0, min(MOST, descriptors - OTHERS))


class Custody:
    """Used by the first process alone."""

    def __init__(self, journals: Journals, metrics: Metrics) -> None:
        self._journals = journals
        self._metrics = metrics
        self._ids = RequestIds()
        self._held: dict[int, Held] = {}  # by slot
        self._free = list(reversed(range(journals.count)))  # the last used is the next: its memory is there already
        self._homeless: deque[Held] = deque()  # to be gone on with by any worker
        self._suspects: deque[Held] = deque()  # one of them may be what killed a worker
        self._trial: Held | None = None  # the one that runs once more
        self._tried = 0  # what had been written to its client before

    def slot(self) -> int | None:
        """For a new connection. None when there is no room: it is then as if there were no custody."""
        if not self._free:
            self.let_go()
        if not self._free:
            return None
        slot = self._free[-1]
        self._journals[slot].open()
        return slot

    def keep(self, connection: socket.socket, slot: int, pid: int) -> None:
        self._free.pop()
        self._held[slot] = Held(connection, slot, pid)

    def let_go(self) -> None:
        """Of what is over."""
        for held in [held for held in self._held.values() if self._journals[held.slot].over]:
            self._end(held)

    def bury(self, pid: int) -> None:
        """What the worker had is sorted by what becomes of it."""
        self.let_go()
        for held in [held for held in self._held.values() if held.pid == pid]:
            self._sort(held)

    def _sort(self, held: Held) -> None:
        journal = self._journals[held.slot]
        try:
            fate = journal.fate(Traffic.of(held.connection))
        except OSError:
            fate = Fate.LOST
        on_trial = held is self._trial
        if on_trial:
            self._trial = None
        if fate is Fate.RUN and on_trial:
            log.error("a request of %s is refused: two workers were killed while they ran it", address(held))
            self._metrics.reruns.inc()
            self._refuse(held, KILLS)
        elif fate is Fate.RUN or (fate is Fate.BEGUN and on_trial):  # which had not been taken up yet
            self._suspects.append(held)
        elif fate in (Fate.IDLE, Fate.BEGUN):
            if fate is Fate.IDLE:
                journal.clear()
            self._homeless.append(held)
        elif fate is Fate.UNKEPT:
            self._refuse(held, NOT_KEPT)
        else:
            if not has_left(held):
                log.error("a request of %s is lost: its answer had begun to go out", address(held))
            self._end(held)

    def hand_on(self, hand: Hand) -> None:
        """As far as there are workers that take something."""
        while self._homeless and self._give(self._homeless[0], hand):
            self._homeless.popleft()
        if self._trial is not None and not self._journals[self._trial.slot].unanswered(self._tried):
            self._trial = None
            self._metrics.reruns.inc()
        if self._suspects and self._trial is None:
            journal = self._journals[self._suspects[0].slot]
            journal.rewind()
            self._tried = journal.written
            if self._give(self._suspects[0], hand):
                self._trial = self._suspects.popleft()

    @property
    def at_work(self) -> bool:
        """Something is to be handed on as soon as that can be."""
        return bool(self._homeless or self._suspects or self._trial)

    def close(self) -> None:
        """In a worker, which must not hold what is the first process's."""
        for held in self._held.values():
            held.connection.close()

    def _give(self, held: Held, hand: Hand) -> bool:
        pid = hand(held.connection, held.slot)
        if pid is not None:
            held.pid = pid
        return pid is not None

    def _refuse(self, held: Held, error: MaxpoolError) -> None:
        with suppress(OSError):
            held.connection.sendall(refusal(error, self._ids.identify(()).id, []))
            held.connection.shutdown(socket.SHUT_WR)
        self._end(held)

    def _end(self, held: Held) -> None:
        held.connection.close()
        del self._held[held.slot]
        self._free.append(held.slot)


def has_left(held: Held) -> bool:
    try:
        return not held.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError as error:
        return not isinstance(error, BlockingIOError)


def address(held: Held) -> str:
    with suppress(OSError):
        return str(held.connection.getpeername()[0])
    return "a client that is gone"
