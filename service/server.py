"""The application on uvicorn: in worker processes that share the models, or in this one alone."""

import asyncio
import gc
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.connection import Connection
from service.cpus import cpu_count, worker_count
from service.custody import Custody, capacity
from service.engine.registry import Registry
from service.journal import Journals
from service.kept import KeptConnection
from service.log import log_config
from service.memory import keep_nothing_large, trim
from service.peers import Peers
from service.ports import reserved
from service.settings import Settings
from service.tls import server_context
from service.workers import NONE, SLOT, Workers

log = logging.getLogger("maxpool")
AT_ONCE = 8  # connections taken in one go, within a millisecond
# Bytes of an answer that the system takes from us before the client is ready for them: by default some megabytes, for
# each client that does not read.
UNSENT = 256 * 1024
READ_SECONDS = 0.1  # for what clients have sent to be read: a connection would else be closed as an idle one


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises SettingsError."""
    keep_nothing_large()
    app = create_app(settings)
    registry: Registry = app.state.registry
    workers = worker_count(settings, registry.provider)
    config = uvicorn_config(settings, app)  # sets up the log, too
    app.state.follower.begin()
    # A pass of the collector would write to every page that the workers share.
    gc.collect()
    gc.freeze()
    trim()  # what loading and proving took: each worker would have a copy of it
    log.info("%s workers on %s CPUs, one thread a run, provider %s", workers, cpu_count(), registry.provider)
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)  # its connections have it from it
    with reserved(settings.host, settings.grpc_port):
        if workers == 1:
            Server(config, settings, app).run(sockets=[listener])
        else:
            # The state of a connection in TLS is known to its own process alone.
            journals = Journals(0 if settings.tls_certificate else capacity())
            Workers(
                lambda channel: Worker(config, settings, app, channel, journals).run(),
                listener,
                app.state.board,
                app.state.follower,
                Custody(journals, app.state.metrics),
                app.state.metrics,
                refresh=app.state.keys.refresh if app.state.keys else None,
                count=workers,
                drain=settings.drain_seconds,
                grace=settings.grace_seconds,
            ).run()


class Server(uvicorn.Server):
    """HTTP, and as soon as that answers, gRPC."""

    def __init__(self, config: uvicorn.Config, settings: Settings, app: FastAPI) -> None:
        super().__init__(config)
        self._peers = Peers(settings, app.state.metrics, app.state.requests)
        self._connections: Collection[Connection] = self.server_state.connections  # type: ignore[assignment]
        self._settings = settings
        self._app = app
        self._grpc: asyncio.Task[Any] | None = None
        self._drain_seconds: float = settings.drain_seconds
        self._drained = math.inf  # when a stop goes on, of time.monotonic

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """At the first SIGTERM nothing is refused yet: whoever sends requests here is told to send them elsewhere."""
        if sig == signal.SIGINT:
            return super().handle_exit(sig, frame)
        if self._app.state.registry.draining or not self._drain_seconds:
            self.should_exit = True
        else:
            self._app.state.registry.draining = True
            self._drained = time.monotonic() + self._drain_seconds
            # A connection that is used once more is one that the client must not count on afterwards.
            self.config.encoded_headers.append((b"connection", b"close"))
            self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
            for connection in self._connections:
                connection.drain()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() > self._drained

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """With times of our own for TLS, in which a client would else have a minute to say who it is."""
        await super().startup([])
        for each in sockets or []:
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    self._connection, sock=each, backlog=self.config.backlog, **self._tls()
                )
            )
        self._watching = asyncio.create_task(self._peers.watch(self._connections))
        if self._settings.grpc_port and not self.should_exit:
            self._grpc = asyncio.create_task(self._start_grpc())

    def _connection(self, kind: Callable[..., Connection] = Connection) -> Connection:
        return kind(
            peers=self._peers, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _tls(self) -> dict[str, Any]:
        """What the event loop wants to know of it."""
        if self.config.ssl is None:
            return {}
        seconds = self._settings.receive_seconds
        return {"ssl": self.config.ssl, "ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds}

    async def _start_grpc(self) -> Any:
        """The gRPC server; without one this process would be half a service, and ends."""
        try:
            grpc_server = await asyncio.to_thread(import_module, "service.grpc_server")
            state = self._app.state
            server = grpc_server.GrpcServer(
                state.registry, state.control, state.keys, self._settings, state.metrics, state.requests
            )
            await server.start()
            log.info("gRPC on %s port %s", self._settings.host, self._settings.grpc_port)
        except Exception:
            log.exception("gRPC could not be started")
            self.should_exit = True
            return None
        return server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What came before the stop is answered."""
        await asyncio.sleep(READ_SECONDS)
        if self._grpc and (server := await self._grpc):
            start = time.monotonic()
            await server.stop()
            self.config.timeout_graceful_shutdown = max(0, self._settings.grace_seconds - int(time.monotonic() - start))
        await super().shutdown(sockets)
        self._watching.cancel()


class Worker(Server):
    """A server whose connections come over a channel, accepted by another process."""

    def __init__(
        self, config: uvicorn.Config, settings: Settings, app: FastAPI, channel: socket.socket, journals: Journals
    ) -> None:
        super().__init__(config, settings, app)
        self._channel = channel
        self._journals = journals
        self._opening: set[asyncio.Task[object]] = set()
        if settings.drain_seconds:  # then until the first process says so, which deals out connections meanwhile
            self._drain_seconds = math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup()
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._take)

    def _take(self) -> bool:
        """Some of the connections that wait in the channel; whether there may be more."""
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._channel, SLOT.size, 1)
            except BlockingIOError:
                return False
            if not message:  # the first process is gone
                loop.remove_reader(self._channel)
                self.should_exit = True
                return False
            if not descriptors:  # none was free here: the system has closed the connection
                continue
            (slot,) = SLOT.unpack(message)
            opening = loop.create_task(self._open(socket.socket(fileno=descriptors[0]), slot))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket, slot: int) -> None:
        kind: Callable[..., Connection] = Connection
        if slot != NONE:
            kind = partial(KeptConnection, journal=self._journals[slot], connection=connection)
        protocol = partial(self._connection, kind)
        with suppress(OSError):  # of a client that does not speak TLS, or not in time
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection, **self._tls())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What was accepted before the stop is answered, too."""
        while self._take():
            pass
        asyncio.get_running_loop().remove_reader(self._channel)
        await asyncio.gather(*self._opening)
        await super().shutdown(sockets=[])


def uvicorn_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """Raises SettingsError."""
    tls = server_context(settings.tls_certificate, settings.tls_key)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        ws="none",  # whatever is installed: such a connection would be out of reach of our limits
        access_log=False,  # costs more than a small net; the metrics count requests
        log_config=log_config(settings.log_level),
        server_header=False,
        ssl_context_factory=(lambda config, default: tls) if tls else None,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
