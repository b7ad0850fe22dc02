"""A connection that outlives the process that answers it: what its client sends is written to a journal first."""

import socket
from asyncio import Transport
from contextlib import suppress
from typing import Any

from service.connection import Connection
from service.journal import Journal


class KeptConnection(Connection):
    def __init__(self, *, journal: Journal, connection: socket.socket, **others: Any) -> None:
        super().__init__(**others)
        self._journal = journal
        self._connection = connection
        self._whole = True  # all of the request has come
        self._is_next = False  # what comes is the beginning of a request

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._out.written += self._journal.written
        if request := self._journal.take():  # another process had read it
            self.data_received(request)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        with suppress(OSError):  # the client learns of it now, and not when the first process lets go, too
            self._connection.shutdown(socket.SHUT_RDWR)
        self._journal.close()

    def announce(self, written: int) -> bool:
        """Where an answer ends is in the journal, too, before its first byte goes out."""
        before = self._begun
        waits = super().announce(written)
        begun = self._begun
        if begun is not before and begun is self.cycle and self._whole:
            self._journal.answered(written + begun.expected_content_length)
        return waits

    def data_received(self, data: bytes) -> None:
        self._is_next = self._whole and not self._in_head and (self.cycle is None or self.cycle.response_complete)
        if self._is_next:
            self._journal.begin(data, self._out.written)
        else:
            self._journal.go_on(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._is_next:
            self._journal.lose()
        self._is_next = self._whole = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._whole = True
        self._journal.whole()
        if self.cycle.response_complete:  # early, as a refusal is
            self._journal.answered(self._out.written)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._whole and not self._in_head and self.cycle.response_complete:
            self._journal.answered(self._out.written)
