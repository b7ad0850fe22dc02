"""uvicorn's HTTP/1.1 connection, which tells the application whether its client is still there, waits for no client
longer than it may take, and takes no more of a request than a request may be."""

import socket
from asyncio import Transport
from collections.abc import Iterable
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.errors import InvalidInput, MaxpoolError, TooManyConnections, TooSlow
from service.message import MAX_BYTES, check_body, check_chunks, check_count, check_head, check_size, without_upgrade
from service.outgoing import Outgoing
from service.peers import Peers
from service.protocols.replies import Header
from service.refusal import refusal
from service.requestlog import Entry


class Connection(HttpToolsProtocol):
    def __init__(self, *, peers: Peers, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._peers = peers
        self._address: str | None = None  # none while it is not counted
        self._since = peers.looks  # what is awaited from the client
        self._in_head = False
        self._received = 0  # bytes of the request, but for the read that it began in
        self._of_body = 0  # bytes in them
        self._chunks = 0
        self._counted = 0  # received, when the client was last seen to get on
        self._unsent = 0  # bytes, when the client was last seen to read
        self._answered: RequestResponseCycle | None = None  # the request that is, before those that are pipelined
        self._begun: RequestResponseCycle | None = None  # the last that began to be answered
        self._half_closed = False
        self._refused = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self._out = Outgoing(transport, self)
        super().connection_made(cast(Transport, self._out))
        address = self.client[0] if self.client else ""
        try:
            self._peers.enter(address)
            self._address = address
        except TooManyConnections as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._address is not None:
            self._peers.leave(self._address)
        # uvicorn tells the last request only, and those before it would write on.
        for cycle in (self._answered, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        # They hold this connection, and it what was read: without the collector, for good.
        self._out.let_go()
        self._answered = self._begun = None
        self.cycle = self.scope = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._received += len(data)
        if b"pgrade:" in data and (self._in_head or self.cycle is None or not self.cycle.more_body):
            data = without_upgrade(data)
        try:
            self.parser.feed_data(data)
            if self._in_head:
                check_size(self._received)
                check_count(self.headers)
            elif self._received > MAX_BYTES:
                check_count(self.headers)
                around = self._received - self._of_body
                check_body(self._of_body, around=around, chunks=self._chunks, max_bytes=self._peers.max_body_bytes)
        except httptools.HttpParserUpgrade:  # to what is not spoken here; whatever follows may be in it
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._refuse(what_is_wrong(error))
        except MaxpoolError as error:
            self._refuse(error)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since = self._peers.looks
        self._in_head = True
        self._received = self._of_body = self._chunks = self._counted = 0

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        check_head(self.url, self.headers, self.parser.get_http_version(), upgrade=upgrade)
        super().on_headers_complete()
        self._in_head = False
        if not self.pipeline:
            self._answered = self.cycle
        self.headers = []  # trailers, which are not to pass for headers
        self.scope["gone"] = self.gone  # type: ignore[typeddict-unknown-key]

    def on_chunk_header(self) -> None:
        self._chunks += 1
        check_chunks(self._chunks)

    def on_body(self, body: bytes) -> None:
        self._of_body += len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """As uvicorn has it, but for its timer: what is due next is looked at with all else."""
        self._out.flush()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._answered, app = self.pipeline.pop()
            self._start_asgi_task(self._answered, app)
        elif not self._in_head:
            self._since = self._peers.looks

    def announce(self, written: int) -> bool:
        """Before the first byte of an answer goes out. Whether this is its head, and its body is to come."""
        cycle = self._answered
        if cycle is None or cycle.response_complete or cycle.chunked_encoding is not False or cycle is self._begun:
            return False
        self._begun = cycle
        return cycle.expected_content_length > 0

    def drain(self) -> None:
        """The answer that is under way is the last one here, where its head can still say so; else the next one is. A
        signal may come between a head and its body: a close that was not announced costs the client a request."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.transport.is_closing() or (self._half_closed and self._is_reset())

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that shuts its writing side may still read its answer, and one that is gone looks the same, until
        something is sent to it: then its system says that nobody is there. In TLS the whole connection is over."""
        if not self.transport.can_write_eof():
            return None
        cycle = self.cycle
        if self._refused or self._in_head or cycle is None or cycle.response_complete or cycle.more_body:
            return None  # closes
        cycle.keep_alive = False
        self._half_closed = True
        if not (cycle.response_started or self.pipeline) and self.scope["http_version"] == "1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _is_reset(self) -> bool:
        if not self.cycle.disconnected:  # the system says it once
            error = self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.cycle.disconnected = bool(error)
        return self.cycle.disconnected

    def look(self) -> None:
        """Ends the connection if its client has kept it waiting for too long."""
        cycle, peers = self.cycle, self._peers
        answering = cycle is not None and not (cycle.response_complete or cycle.disconnected)
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            if not self._unsent or self._unsent - unsent >= peers.least_bytes:
                self._unsent, self._since = unsent, peers.looks - 1  # or later, but no earlier
            elif peers.late(self._since):
                self.transport.abort()
        elif self._refused:
            self._unsent = 0
            if answering or self.pipeline:
                self._since = peers.looks
            elif peers.lingered(self._since):
                self.transport.abort()
        elif not self.transport.is_closing():
            self._unsent = 0
            got_on = not self._in_head and self._received - self._counted >= peers.least_bytes
            if got_on or self.flow.read_paused:  # by us, who are slow ourselves
                self._since, self._counted = peers.looks, self._received
            elif self._in_head or cycle is None or (answering and cycle.more_body):
                if peers.late(self._since):
                    self._refuse(TooSlow(f"the request did not come within {peers.seconds} s: send it faster"))
            elif self._half_closed and self._is_reset():
                self.transport.abort()
            elif not answering and peers.idle(self._since):
                self.transport.close()

    def _refuse(self, error: MaxpoolError) -> None:
        """Answers and closes; where other answers are due first, those are given and this one is not."""
        self._refused = True
        self._since = self._peers.looks
        cycle = self.cycle
        of_body = cycle is not None and not self._in_head and cycle.more_body
        if of_body:  # it is this one's body that is refused
            silent = bool(self.pipeline) or cycle.response_started
            if not silent:
                self.scope["refused"] = error.status  # type: ignore[typeddict-unknown-key]
            cycle.disconnected = True
            cycle.message_event.set()
        else:
            silent = cycle is not None and not cycle.response_complete
        self._peers.refused(error, answered=not (silent or of_body))
        if cycle is not None:
            cycle.keep_alive = False
        if not silent:
            self._tell(error, of_body=of_body)
        if not self.pipeline and (not silent or cycle.response_complete) and self.transport.can_write_eof():
            self.transport.write_eof()

    def _tell(self, error: MaxpoolError, *, of_body: bool) -> None:
        """The client, and the log."""
        requests = self._peers.requests
        method, path, identity = "", b"", None
        headers: Iterable[Header] = ()
        if of_body:
            scope: Any = self.cycle.scope
            method, path, headers, identity = (
                scope["method"],
                scope["raw_path"],
                scope["headers"],
                scope.get("identity"),
            )
        elif self._in_head:
            headers = self.headers
            if path := self.url.partition(b"?")[0]:
                method = self.parser.get_method().decode()
        identity = identity or requests.ids.identify(headers)
        answer = refusal(error, identity.id, self.server_state.default_headers)
        self.transport.write(answer)
        if requests.on or identity.span:
            bytes_in = self._of_body if of_body else None
            entry = Entry(identity, method, path, error.status, error.reason, self.client, len(answer), bytes_in)
            requests.add(entry)


def what_is_wrong(error: httptools.HttpParserError) -> MaxpoolError:
    """With a request that httptools stopped at: of itself, or for what a check raised."""
    if isinstance(error.__context__, MaxpoolError):
        return error.__context__
    return InvalidInput(f"not HTTP/1.1 as we know it: {error}")
