"""One line of JSON for each prediction request, and for any other that was refused: never a body, a query or a key.

entries -> *64 at a time* -> lines -> *every 50 ms* -> a thread -> stderr. One by one they would cost more than a small
net's run. Who reads stderr may be slow: nothing here waits for it, and what finds no room is dropped and counted.
A request that is traced has its spans made of the same entry (traces.py).
"""

import asyncio
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

import orjson
from prometheus_client import Counter

from service.log import LONGEST, stamp
from service.modelmetrics import WRITE_SECONDS
from service.requestid import Identity, RequestIds
from service.spec import ModelSpec

AT_ONCE = 64  # entries made into lines in one go, within a quarter of a millisecond
ROOM = 4 * 1024 * 1024  # bytes that wait to be written
LONGEST_WORD = 256  # bytes, of what a client chose
CLOSING_SECONDS = 2  # for what waits at the end, should nobody read it
NOTICE_SECONDS = 1  # between two lines that say how many were dropped
GONE = 499  # the status of a request whose client did not wait for the answer, as nginx has it


class Entry(NamedTuple):
    """Of one request, when it was answered. What is not known is None."""

    identity: Identity
    method: str
    path: bytes  # as it came, without the query
    status: int
    reason: str | None
    client: tuple[str, int] | None
    bytes_out: int  # of the body
    bytes_in: int | None = None
    seconds: float | None = None  # since the head of the request was read
    dialect: str | None = None
    spec: ModelSpec | None = None
    rows: int = 0
    batch_rows: int = 0  # the most that shared a run with any of the rows
    stages: tuple[float, float, float] | None = None  # seconds of decode, queue and infer
    # For the spans, of a request that is traced:
    route: str | None = None  # the path with names in place of what is in it
    began: float = 0.0  # seconds from the head of the request to its decoding
    last_run: float = 0.0  # seconds of the run that was waited for longest

    def line(self, at: float) -> bytes:
        """Put together by hand from what is the same for many requests, and from numbers: at half of orjson's cost."""
        identity, method, path, status, reason, client, bytes_out, bytes_in, seconds, dialect, spec = self[:11]
        rows, batch_rows, stages = self[11:14]
        name, version = (spec.name, spec.version) if spec else (None, None)
        address = client[0][:LONGEST_WORD] if client else None
        repeated = fields(method, path[:LONGEST_WORD], status, reason, address, dialect, name, version)
        line = b'{"time":"%b",%b,"request_id":"%b","bytes_out":%d' % (
            stamp(at).encode(),
            repeated,
            identity.id.encode(),
            bytes_out,
        )
        if identity.trace:
            line += b',"trace_id":"%b"' % identity.trace.encode()
        if bytes_in is not None:
            line += b',"bytes_in":%d' % bytes_in
        if seconds is not None:
            line += b',"total_ms":%.3f' % (seconds * 1e3)
        if stages:
            decode, queue, infer = stages
            line += b',"rows":%d,"batch_rows":%d,"decode_ms":%.3f,"queue_ms":%.3f,"infer_ms":%.3f' % (
                rows,
                batch_rows,
                decode * 1e3,
                queue * 1e3,
                infer * 1e3,
            )
        return line + b"}\n"


@lru_cache(1024)
def fields(
    method: str,
    path: bytes,
    status: int,
    reason: str | None,
    client: str | None,
    dialect: str | None,
    model: str | None,
    version: str | None,
) -> bytes:
    """What is known of these, as members of an object. Whatever a client chose, they are printable ASCII."""
    known = {
        "level": "info",
        "logger": "maxpool.request",
        "method": method,
        "path": shown(path),
        "status": status,
        "reason": reason,
        "client": client and shown(client.encode("utf-8", "replace")),
        "dialect": dialect,
        "model": model,
        "version": version,
    }
    return orjson.dumps({name: value for name, value in known.items() if value is not None})[1:-1]


class RequestLog:
    """One a process. Used on the event loop only, but for `_write`."""

    def __init__(
        self,
        dropped: Counter,
        *,
        on: bool,
        descriptor: int = 2,
        ids: RequestIds | None = None,
        trace: Callable[[float, Entry], None] | None = None,
    ) -> None:
        """`trace` is told of each request whose identity has a span, and when it was answered."""
        self.on = on
        self.ids = ids or RequestIds()
        self._trace = trace
        self._dropped_in_all = dropped
        self._descriptor = descriptor
        self._entries: list[tuple[float, Entry]] = []  # and when, of the epoch
        self._lines: list[bytes] = []
        self._added = 0  # bytes
        self._written = 0  # bytes, by the thread
        self._dropped = 0  # lines, since it was said how many
        self._said = 0.0  # when
        self._to_be_written = False
        self._queue: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._thread: Thread | None = None  # made when there is something to write, and so after the fork

    def add(self, entry: Entry, *, line: bool = True) -> None:
        """`line`: one of the log, where that is on, besides the spans where the request is traced."""
        at = time.time()
        if self._trace is not None and entry.identity.span is not None:
            self._trace(at, entry)
        if not (self.on and line):
            return
        self._entries.append((at, entry))
        if len(self._entries) >= AT_ONCE:
            self._make_lines()
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._to_be_written:
            self._to_be_written = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._hand_over)

    def _make_lines(self) -> None:
        for at, entry in self._entries:
            if not self._append(entry.line(at)):
                self._dropped += 1
                self._dropped_in_all.inc()
        self._entries.clear()

    def _append(self, line: bytes) -> bool:
        """Whether there was room for it."""
        fits = self._added - self._written + len(line) <= ROOM
        if fits:
            self._lines.append(line)
            self._added += len(line)
        return fits

    def _hand_over(self) -> None:
        self._to_be_written = False
        self._make_lines()
        if self._dropped:
            self._tell_dropped()
            self._write_soon()
        if not self._lines:
            return
        if self._thread is None:
            self._thread = Thread(target=self._write, name="request-log", daemon=True)
            self._thread.start()
        lines, self._lines = self._lines, []
        self._queue.put(lines)

    def _tell_dropped(self) -> None:
        now = time.monotonic()
        text = f"{self._dropped} lines of the request log were dropped: stderr is not read fast enough"
        notice = {"time": stamp(time.time()), "level": "warning", "logger": "maxpool", "message": text}
        if now - self._said >= NOTICE_SECONDS and self._append(orjson.dumps(notice, option=orjson.OPT_APPEND_NEWLINE)):
            self._dropped, self._said = 0, now

    def _write(self) -> None:
        while (lines := self._queue.get()) is not None:
            for piece in pieces(lines):
                with suppress(OSError):  # stderr is closed: there is nobody to tell
                    self._write_piece(memoryview(piece))
                self._written += len(piece)

    def _write_piece(self, rest: memoryview) -> None:
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # who shares stderr with us made it so
                select.select([], [self._descriptor], [])

    async def close(self) -> None:
        """Returns when all is written, or nobody has read it for a while."""
        self._said = -NOTICE_SECONDS
        self._hand_over()
        if self._thread:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, CLOSING_SECONDS)


def pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, as many as a pipe takes at once: a longer write could be mixed with another process's."""
    piece = bytearray()
    for line in lines:
        if piece and len(piece) + len(line) > LONGEST:
            yield bytes(piece)
            piece.clear()
        piece += line
    if piece:
        yield bytes(piece)


def shown(text: bytes) -> str:
    """Printable ASCII, whatever it was."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in text)
