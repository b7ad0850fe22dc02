"""A client of raw sockets: what it sends is bytes, and it can go away whenever it likes."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

FRESH = 3  # seconds; a connection that is idle for longer may just be being closed
PATIENCE = 60  # seconds until an answer is taken for lost


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes  # in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Wire:
    """One client: a connection that is opened when there is none, and kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used = 0.0

    async def ask(self, request: bytes) -> Answer:
        """Raises TimeoutError, and OSError or EOFError for a connection that ends before the answer does."""
        async with asyncio.timeout(PATIENCE):
            await self.send(request)
            return await self.answer()

    async def send(self, data: bytes) -> None:
        if time.monotonic() - self._used > FRESH:
            await self.close()
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._used = time.monotonic()
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length))
        if b"connection: close" in head:
            await self.close()
        return Answer(int(head[9:12]), head, body)

    async def close(self) -> None:
        """All that was sent arrives, whatever comes back."""
        if self._writer is not None:
            writer, self._reader, self._writer = self._writer, None, None
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()
