"""The application on uvicorn: in worker processes that share the models, or in this one alone."""

import gc
import logging

import uvicorn
from fastapi import FastAPI

from service.app import create_app, worker_count
from service.cpus import cpu_count
from service.engine.registry import Registry
from service.log import log_config
from service.settings import Settings
from service.workers import run_workers

log = logging.getLogger("maxpool")


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
        run_workers(uvicorn.Server(config).run, listener, count=workers, grace=settings.grace_seconds)


def uvicorn_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,  # costs more than a small net; the metrics count requests
        log_config=log_config(settings.log_level),
        server_header=False,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
