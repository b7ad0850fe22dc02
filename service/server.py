"""The application on uvicorn: in worker processes that share the models, or in this one alone."""

import asyncio
import gc
import logging
import socket

import uvicorn
from fastapi import FastAPI

from service.app import create_app, worker_count
from service.connection import Connection
from service.cpus import cpu_count
from service.engine.registry import Registry
from service.log import log_config
from service.settings import Settings
from service.workers import Workers

log = logging.getLogger("maxpool")
AT_ONCE = 32  # connections taken in one go
READ_SECONDS = 0.1  # for the first request of a connection to be read, which would else be closed as an idle one


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises SettingsError."""
    app = create_app(settings)
    registry: Registry = app.state.registry
    workers = worker_count(settings, registry.provider)
    config = uvicorn_config(settings, app)  # sets up the log, too
    registry.load(settings.models)
    # A pass of the collector would write to every page that the workers share.
    gc.collect()
    gc.freeze()
    log.info("%s workers on %s CPUs, one thread a run, provider %s", workers, cpu_count(), registry.provider)
    listener = config.bind_socket()
    if workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
    else:
        grace = settings.grace_seconds
        Workers(lambda channel: Worker(config, channel).run(), listener, count=workers, grace=grace).run()


class Worker(uvicorn.Server):
    """A server whose connections come over a channel, accepted by another process."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
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
        await asyncio.sleep(READ_SECONDS)
        await super().shutdown(sockets=[])


def uvicorn_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Connection,
        access_log=False,  # costs more than a small net; the metrics count requests
        log_config=log_config(settings.log_level),
        server_header=False,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
