"""A transport that has the head of an answer wait for its body, so that both go out at once. A process could be killed
between the two, and of an answer that has begun no proxy can get another one."""

from asyncio import Transport
from typing import Any, Protocol


class Connected(Protocol):
    def announce(self, written: int) -> bool:
        """Before the first byte of an answer goes out. Whether this is its head, and its body is to come."""


class Outgoing:
    def __init__(self, transport: Transport, connection: Connected) -> None:
        self._transport = transport
        self._write = transport.write
        self.is_closing = transport.is_closing
        self._connection: Connected | None = connection
        self._head = b""
        self.written = 0  # bytes, those that still wait among them

    def write(self, data: bytes) -> None:
        self.written += len(data)
        data, self._head = self._head + data, b""
        if self._connection is not None and self._connection.announce(self.written):
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._write(head)

    def close(self) -> None:
        self.flush()  # to HEAD there is nothing but a head
        self._transport.close()

    def let_go(self) -> None:
        """Of the connection, which has this."""
        self._connection = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
