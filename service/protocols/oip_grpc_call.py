"""One request over gRPC: whose it is, by when it must be answered, what came of it, for the log."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from service.engine.model import Model, Predictions
from service.engine.schedule import within
from service.errors import Disconnected, MaxpoolError
from service.protocols.oip_messages import SERVICE
from service.requestid import Identity
from service.requestlog import GONE, Entry, RequestLog

Context = Any  # grpc.aio.ServicerContext


class Call:
    """A request of a stream is one by itself, of the stream's identity."""

    def __init__(
        self,
        rpc: str,
        context: Context,
        requests: RequestLog,
        seconds: float = math.inf,
        identity: Identity | None = None,
    ) -> None:
        """To be answered within as many seconds, or the less that the client gives."""
        self.identity = identity.again() if identity else identify(context, requests)
        self.schedule = within(seconds)
        self.schedule.request_id = self.identity.id
        left: float | None = context.time_remaining()
        if left is not None:
            self.schedule.shorten(self.schedule.arrived + left)
        self.model: Model | None = None
        self.predictions: Predictions | None = None
        self._path = f"/{SERVICE}/{rpc}".encode()
        self._context = context
        self._requests = requests

    @contextmanager
    def refused_in(self, body: bytes) -> Iterator[None]:
        """Writes down a refusal of what is done in it, which goes on to whoever tells the client."""
        try:
            yield
        except asyncio.CancelledError:  # by the client
            self._log(GONE, Disconnected.__name__, len(body), 0)
            raise
        except MaxpoolError as error:
            self._log(error.status, error.reason, len(body), 0)
            raise

    def answered(self, body: bytes, answer: bytes) -> bytes:
        self._log(200, None, len(body), len(answer))
        return answer

    def _log(self, status: int, reason: str | None, bytes_in: int, bytes_out: int) -> None:
        """With the status that it would have had over HTTP."""
        if not (self._requests.on or self.identity.span):
            return
        predictions = self.predictions
        entry = Entry(
            self.identity,
            "gRPC",
            self._path,
            status,
            reason,
            address_of(self._context.peer()),
            bytes_out,
            bytes_in,
            time.perf_counter() - self.schedule.arrived,
            "oip",
            self.model.spec if self.model else None,
            len(predictions.answers) if predictions else 0,
            predictions.batch_rows if predictions else 0,
            predictions.stages if predictions else None,
            None,
            predictions.began - self.schedule.arrived if predictions else 0.0,
            predictions.last_run if predictions else 0.0,
        )
        self._requests.add(entry)


def identify(context: Context, requests: RequestLog) -> Identity:
    metadata = context.invocation_metadata() or ()
    return requests.ids.identify((name.encode(), as_bytes(value)) for name, value in metadata)


def as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def address_of(peer: str) -> tuple[str, int]:
    """ipv4:127.0.0.1:1234 or ipv6:%5B::1%5D:1234, of the connection."""
    address, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return address.strip("[]"), int(port) if port.isdecimal() else 0
