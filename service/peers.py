"""The clients of one process: how many connections they may have, and for how long they may keep it waiting.

Time is counted in looks at the connections: one timer for all, next to no work for a request, and a process that was
stopped for a while does not take its clients for slow.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from time import perf_counter
from typing import Protocol

from service.errors import MaxpoolError, TooManyConnections
from service.metrics import Metrics
from service.requestlog import RequestLog
from service.settings import Settings

LOOKS = 10  # or more, in the seconds that a client has
LINGER = 2  # looks; closed at once, what a client still sends would reset it before it has read why it is refused
HOLD_SECONDS = 0.0002  # of looks before the loop turns to others: refusing a client takes as long as fifty looks
LEAST_RATE = 4096  # bytes a second, of a body or an answer


class Watched(Protocol):
    def look(self) -> None: ...


class Peers:
    def __init__(self, settings: Settings, metrics: Metrics, requests: RequestLog) -> None:
        self.max_body_bytes = settings.max_body_bytes
        self.seconds = settings.receive_seconds
        self.least_bytes = LEAST_RATE * settings.receive_seconds  # in the seconds that a client has
        self.looks = 0
        self._pause = min(settings.receive_seconds, settings.keep_alive_seconds) / LOOKS
        # So that it is gone in time, even if a look is late itself.
        self._to_receive = int(settings.receive_seconds / self._pause) - LINGER - 1
        self._to_ask = int(settings.keep_alive_seconds / self._pause)
        self._max_connections = settings.max_connections
        self._max_per_address = settings.max_connections_per_address
        self._metrics = metrics
        self.requests = requests
        self._open = 0
        self._of_address: Counter[str] = Counter()

    def late(self, since: int) -> bool:
        """Whether a client that is awaited since the look `since` or later has had its time by now, or by the next."""
        return self.looks - since >= self._to_receive

    def lingered(self, since: int) -> bool:
        """Whether one that was refused then has had the time to read why."""
        return self.looks - since >= LINGER

    def idle(self, since: int) -> bool:
        """Whether one that owes nothing has had the whole of its time."""
        return self.looks - since > self._to_ask

    def enter(self, address: str) -> None:
        """A connection that is served, until it says `leave`. Raises TooManyConnections for one that is not to be."""
        if self._open >= self._max_connections:
            raise TooManyConnections(
                f"the server has {self._max_connections} connections open (MAXPOOL_MAX_CONNECTIONS): try again soon"
            )
        if 0 < self._max_per_address <= self._of_address[address]:
            raise TooManyConnections(
                f"there are {self._max_per_address} connections open from your address "
                "(MAXPOOL_MAX_CONNECTIONS_PER_ADDRESS): use those again"
            )
        self._open += 1
        self._of_address[address] += 1

    def leave(self, address: str) -> None:
        self._open -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def refused(self, error: MaxpoolError, *, answered: bool) -> None:
        """`answered`: for a connection and not for a request, which its road counts."""
        self._metrics.rejected.labels(type(error).__name__).inc()
        if answered:
            self._metrics.refused_connections.labels(str(error.status)).inc()

    async def watch(self, connections: Collection[Watched]) -> None:
        """For as long as the process lives."""
        time = asyncio.get_running_loop().time
        due = time()
        while True:
            due = max(due + self._pause, time())  # those that were missed are not made up for
            await asyncio.sleep(due - time())
            self.looks += 1
            until = perf_counter() + HOLD_SECONDS
            for connection in list(connections):
                if connection in connections:  # still
                    connection.look()
                if perf_counter() > until:
                    await asyncio.sleep(0)
                    until = perf_counter() + HOLD_SECONDS
