"""An open loop: each request is sent when it is due, whether or not those before it were answered.

As real clients do, who know nothing of each other: a closed loop waits for a slow server and so asks less of it just
when it should be measured. Latency counts from when a request was due, so that what the generator is late by is in it.
"""

import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

NONE = 0  # the status of a request without an answer


@dataclass(frozen=True, slots=True)
class Outcome:
    due: float  # seconds since the start
    late: float  # seconds; sent so long after it was due
    seconds: float  # from when it was due to the end of its answer
    status: int
    told: bool  # with Retry-After and {"error": …}


class Call:
    """One request: its future gets the head and the body of the answer, or None."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.answer: asyncio.Future[tuple[bytes, bytes] | None] = asyncio.get_running_loop().create_future()

    def end(self, answer: tuple[bytes, bytes] | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class Line(asyncio.Protocol):
    """A connection, which asks one thing at a time and is among the idle ones between."""

    def __init__(self, idle: deque["Line"]) -> None:
        self._idle = idle
        self._call: Call | None = None
        self._received = bytearray()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def ask(self, call: Call) -> None:
        self._call = call
        self.transport.write(call.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = bytes(self._received).partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        if len(body) < int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]):
            return
        self._received.clear()
        call, self._call = self._call, None
        if b"\r\nconnection: close" in head:
            self.transport.close()
        else:
            self._idle.append(self)
        if call is not None:
            call.end((head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._call is not None:
            self._call.end(None)


def due_times(steps: Sequence[tuple[float, float]], seed: int) -> Iterator[float]:
    """Poisson arrivals at each (rate, seconds) in turn."""
    gaps = random.Random(seed)
    begin = 0.0
    for rate, seconds in steps:
        due = begin
        while (due := due + gaps.expovariate(rate)) < begin + seconds:
            yield due
        begin += seconds


async def open_loop(
    url: str, requests: Sequence[bytes], steps: Sequence[tuple[float, float]], *, patience: float, seed: int = 0
) -> list[Outcome]:
    """In the order of their sending. `steps`: requests a second, and for how many seconds; `patience`: seconds until a
    caller goes away, as a client does."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    loop = asyncio.get_running_loop()
    idle: deque[Line] = deque()

    async def ask(due: float, request: bytes) -> Outcome:
        late = time.perf_counter() - start - due
        call, line = Call(request), idle.pop() if idle else None
        try:
            async with asyncio.timeout(patience - late):
                if line is None:
                    _, line = await loop.create_connection(lambda: Line(idle), host, port)
                line.ask(call)
                answer = await call.answer
        except (TimeoutError, OSError):
            answer = None
            if line is not None:
                line.transport.abort()
        seconds = time.perf_counter() - start - due
        if answer is None:
            return Outcome(due, late, seconds, NONE, told=False)
        head, body = answer
        told = b"\r\nretry-after: " in head and body.startswith(b'{"error":')
        return Outcome(due, late, seconds, int(head.split(maxsplit=2)[1]), told)

    # A pass over all that the process has loaded takes a tenth of a second, in which answers would seem to be late.
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    calls = []
    for turn, due in enumerate(due_times(steps, seed)):
        if (wait := start + due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        calls.append(asyncio.create_task(ask(due, requests[turn % len(requests)])))
    outcomes = await asyncio.gather(*calls)
    for line in list(idle):
        line.transport.close()
    return outcomes


def percentile(values: Sequence[float], share: float) -> float:
    """0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
