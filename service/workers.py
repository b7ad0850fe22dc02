"""Worker processes: forked from one that has loaded and proven every model, so that they start at once and share its
memory. That one accepts the connections and deals them out in turn, for workers that accept for themselves take 11 and
53 of 64. A worker that dies is replaced, and what it had goes to the others (custody.py).

SIGTERM -> the workers drain -> no new connections, what was accepted is answered -> all gone
"""

import errno
import logging
import math
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from service.custody import Custody
from service.engine.board import Board
from service.engine.follower import STEP_SECONDS, Follower
from service.metrics import Metrics

log = logging.getLogger("maxpool")
STOPS = {signal.SIGTERM, signal.SIGINT}
SIGNALS = {*STOPS, signal.SIGCHLD}
KILLED_AFTER = 5  # seconds beyond the grace that the server itself gives its requests
SHORT_LIFE = 1  # seconds: one that ends sooner is replaced when they are over, so that forks do not race
FULL = 1  # seconds to wait for a worker that takes a connection, when none does at once
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
BACKLOG = 2048  # connections that the system takes before we do
PAUSE = 0.05  # seconds, for descriptors to come back
RESCUE_SECONDS = 0.005  # from one look at what a dead worker had to the next
SLOT = struct.Struct("<i")  # comes with each connection: that of its journal
NONE = -1

Serve = Callable[[socket.socket], None]


class Workers:
    """Of the first process alone. `serve` is what a worker does with its channel, over which connections come, until
    SIGTERM or the end of the channel."""

    def __init__(
        self,
        serve: Serve,
        listener: socket.socket,
        board: Board,
        follower: Follower,
        custody: Custody,
        metrics: Metrics,
        *,
        refresh: Callable[[], None] | None,  # what else a worker is to have as it is now
        count: int,
        drain: float,
        grace: float,
    ) -> None:
        self._serve = serve
        self._listener = listener
        self._board = board
        self._follower = follower
        self._refresh = refresh
        self._custody = custody
        self._metrics = metrics
        self._count = count
        self._drain = drain
        self._grace = grace
        self._drained = math.inf  # when the stop goes on
        self._born: dict[int, float] = {}  # process id -> when
        self._slots: dict[int, int] = {}  # process id -> its place on the board
        self._channels: deque[tuple[int, socket.socket]] = deque()  # of the workers, the next in turn first
        self._due: list[float] = []  # when those that ended are to be replaced

    def run(self) -> None:
        """Returns when all have ended after SIGTERM or SIGINT."""
        told, tells = socket.socketpair()  # a byte for each signal
        for end in (told, tells):
            end.setblocking(False)
        signal.set_wakeup_fd(tells.fileno())
        for each in SIGNALS:
            signal.signal(each, lambda *_: None)
        for _ in range(self._count):
            self._fork()
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        while time.monotonic() < self._drained:
            pause = RESCUE_SECONDS if self._custody.at_work else STEP_SECONDS
            # Without workers those who come wait with the system, until there are some again.
            listening = [self._listener] if self._channels else []
            readable, _, _ = select.select([*listening, told], [], [], pause)
            if self._listener in readable:
                self._deal()
            if told in readable:
                self._hear(set(told.recv(4096)))
            self._custody.let_go()
            if not self._follower.at_risk:
                self._custody.hand_on(self._hand)
            self._replace()
            self._follow()
        self._stop()

    def _hear(self, signals: set[int]) -> None:
        if signal.SIGINT in signals or (signal.SIGTERM in signals and self._drained < math.inf):
            self._drained = 0
        elif signal.SIGTERM in signals:
            for pid in self._born:
                os.kill(pid, signal.SIGTERM)
            self._drained = time.monotonic() + self._drain
        self._bury()

    def _fork(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        slot = self._board.free_slot()
        self._board.take(slot)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._live(theirs, slot)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        self._born[pid] = time.monotonic()
        self._slots[pid] = slot
        self._channels.append((pid, ours))

    def _live(self, channel: socket.socket, slot: int) -> NoReturn:
        """The whole life of a worker. What the first process would clean up at its end is not the worker's to clean
        up."""
        status = 1
        try:
            self._listener.close()
            for _, other in self._channels:
                other.close()
            self._custody.close()
            signal.set_wakeup_fd(-1)
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._follower.become(slot)
            self._serve(channel)
            status = 0
        except KeyboardInterrupt:  # uvicorn hands on the signal that stopped it
            status = 0
        except BaseException:
            log.exception("worker %s failed", os.getpid())
        finally:
            os._exit(status)

    def _deal(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # gone again, or no descriptor is free
            if error.errno in EXHAUSTED:  # the listener stays readable
                time.sleep(PAUSE)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slot = self._custody.slot()
        pid = self._hand(connection, slot)
        deadline = time.monotonic() + FULL + SHORT_LIFE
        # All are full, or dead and not replaced yet.
        while pid is None and (self._channels or self._due) and time.monotonic() < deadline:
            self._bury()
            self._replace()
            select.select([], [channel for _, channel in self._channels], [], STEP_SECONDS)
            pid = self._hand(connection, slot)
        if pid is None:
            log.error("no worker takes connections: one is closed")
        elif slot is not None:
            return self._custody.keep(connection, slot, pid)
        connection.close()

    def _hand(self, connection: socket.socket, slot: int | None) -> int | None:
        """The process id of the worker that has it now, too."""
        message = SLOT.pack(NONE if slot is None else slot)
        for _ in range(len(self._channels)):
            pid, channel = self._channels[0]
            self._channels.rotate(-1)
            try:
                socket.send_fds(channel, [message], [connection.fileno()], socket.MSG_DONTWAIT)
                return pid
            except OSError:  # full, or dead and to be replaced
                continue
        return None

    def _bury(self) -> None:
        for pid in [pid for pid in self._born if os.waitpid(pid, os.WNOHANG)[0]]:
            log.error("worker %s ended; another takes its place", pid)
            self._metrics.worker_ends.inc()
            (gone,) = [each for each in self._channels if each[0] == pid]
            self._channels.remove(gone)
            gone[1].close()
            slot = self._slots.pop(pid)
            self._board.give_back(slot)
            self._follower.bury(slot)
            self._due.append(max(time.monotonic(), self._born.pop(pid) + SHORT_LIFE))
            self._custody.bury(pid)

    def _replace(self) -> None:
        if self._drained < math.inf:
            return
        now = time.monotonic()
        for due in [due for due in self._due if due <= now and not self._follower.busy]:
            self._due.remove(due)
            self._fork()

    def _follow(self) -> None:
        try:
            self._follower.step()
            if self._refresh is not None:
                self._refresh()
        except Exception:
            log.exception("the first process could not take a step after its workers")

    def _stop(self) -> None:
        # The system resets those that it has taken and we have not.
        for _ in range(BACKLOG):
            if not select.select([self._listener], [], [], 0)[0]:
                break
            self._deal()
        self._listener.close()
        for pid in self._born:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace + KILLED_AFTER
        left = set(self._born)
        while left and time.monotonic() < deadline:
            left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
            time.sleep(0.01)
        for pid in left:
            log.error("worker %s did not end in time and is killed", pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
