"""The application on uvicorn: in worker processes that share the models, or in this one alone."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.app import create_app, worker_count
from service.connection import Connection
from service.cpus import cpu_count
from service.engine.registry import Registry
from service.errors import SettingsError
from service.log import log_config
from service.memory import trim
from service.peers import Peers
from service.settings import Settings
from service.workers import Workers

log = logging.getLogger("maxpool")
AT_ONCE = 32  # connections taken in one go
READ_SECONDS = 0.1  # for what clients have sent to be read: a connection would else be closed as an idle one


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises SettingsError."""
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
    with reserved(settings.host, settings.grpc_port):
        if workers == 1:
            Server(config, settings, app).run(sockets=[listener])
        else:
            grace = settings.grace_seconds
            Workers(
                lambda channel: Worker(config, settings, app, channel).run(),
                listener,
                app.state.board,
                app.state.follower,
                count=workers,
                grace=grace,
            ).run()


@contextmanager
def reserved(host: str, port: int) -> Iterator[None]:
    """For this process and its workers alone, who may share it; nothing for port 0. Raises SettingsError."""
    if not port:
        yield
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as alone, socket.socket(family) as shared:
        # Sharing alone would let a second service of the same user join the first. What is left of connections that are
        # over is no reason to refuse.
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            alone.bind((host, port))
            alone.close()
            shared.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"MAXPOOL_GRPC_PORT is {port}: {error.strerror}; set another port, or 0 for no gRPC"
            ) from None
        yield


class Server(uvicorn.Server):
    """HTTP, and as soon as that answers, gRPC."""

    def __init__(self, config: uvicorn.Config, settings: Settings, app: FastAPI) -> None:
        super().__init__(config)
        self._peers = Peers(settings, app.state.metrics)
        config.http = partial(Connection, peers=self._peers)  # type: ignore[assignment]
        self._settings = settings
        self._app = app
        self._grpc: asyncio.Task[Any] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        connections: Collection[Connection] = self.server_state.connections  # type: ignore[assignment]
        self._watching = asyncio.create_task(self._peers.watch(connections))
        if self._settings.grpc_port and not self.should_exit:
            self._grpc = asyncio.create_task(self._start_grpc())

    async def _start_grpc(self) -> Any:
        """The gRPC server; without one this process would be half a service, and ends."""
        try:
            grpc_server = await asyncio.to_thread(import_module, "service.grpc_server")
            server = grpc_server.GrpcServer(
                self._app.state.registry, self._app.state.control, self._settings, self._app.state.metrics
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

    def __init__(self, config: uvicorn.Config, settings: Settings, app: FastAPI, channel: socket.socket) -> None:
        super().__init__(config, settings, app)
        self._channel = channel
        self._opening: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._take)

    def _take(self) -> bool:
        """Some of the connections that wait in the channel; whether there may be more."""
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
            except BlockingIOError:
                return False
            if not message:  # the first process is gone
                loop.remove_reader(self._channel)
                self.should_exit = True
                return False
            if not descriptors:  # none was free here: the system has closed the connection
                continue
            opening = loop.create_task(self._open(socket.socket(fileno=descriptors[0])))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What was accepted before the stop is answered, too."""
        while self._take():
            pass
        asyncio.get_running_loop().remove_reader(self._channel)
        await asyncio.gather(*self._opening)
        await super().shutdown(sockets=[])


def uvicorn_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        access_log=False,  # costs more than a small net; the metrics count requests
        log_config=log_config(settings.log_level),
        server_header=False,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
