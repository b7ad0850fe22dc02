"""The assembly: settings in, an ASGI application out."""

import asyncio
import gc
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Route, compile_path
from starlette.types import Receive, Scope, Send

from service import __version__
from service.cpus import cpu_count
from service.engine.board import Board
from service.engine.follower import Follower
from service.engine.registry import Registry
from service.engine.repository import Repository
from service.engine.session import choose_provider
from service.errors import BUG, MaxpoolError, SettingsError
from service.metrics import Metrics
from service.protocols import dialects
from service.protocols.admin_key import AdminKey
from service.protocols.catalog import catalog
from service.protocols.native import Predict
from service.protocols.oip_catalog import oip_catalog
from service.protocols.oip_repository import Control, oip_repository
from service.protocols.openapi import PREDICT_PATHS, predict_paths
from service.protocols.replies import error_headers
from service.protocols.road import Road
from service.settings import Settings

log = logging.getLogger("maxpool")
YOUNG_OBJECTS = 50_000  # between two looks of the garbage collector at the youngest
PATHS, LONG_PATH = 1024, 512  # how many are remembered, and how long in characters


def create_app(settings: Settings | None = None) -> FastAPI:
    """Models are loaded when the application starts, before it answers; `app.state.follower.begin` may do it earlier.
    Raises SettingsError."""
    settings = settings or Settings.from_env(os.environ)
    metrics = Metrics()
    provider = choose_provider(settings.provider)
    workers = worker_count(settings, provider)
    registry = Registry(
        cpus=max(1, cpu_count() // workers),
        provider=provider,
        queue_rows=settings.queue_rows,
        max_pixels=settings.max_pixels,
        metrics=metrics,
    )
    board = Board(slots=workers + 1 if workers > 1 else 1)  # with workers, the first process is one more
    follower = Follower(registry, board, settings.models)
    repository = Repository(registry, board, follower, settings.models)
    control = Control(repository, AdminKey.read(settings.admin_key_file))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # A thread that comes back from a run waits for the interpreter: by default up to 5 ms, longer than most runs.
        sys.setswitchinterval(0.0005)
        follower.begin()
        await repository.catch_up()
        # What is loaded now stays for long. Left to the collector, a full pass over it stops the loop for 30 ms.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind; to look for some after every 700 objects took 7 % of its time.
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        tasks = [asyncio.create_task(repository.follow())]
        if settings.reload_seconds:
            tasks.append(asyncio.create_task(repository.watch(settings.reload_seconds / 2)))
        yield
        for task in tasks:
            task.cancel()
        registry.close()

    app = Application(
        title="Maxpool",
        version=__version__,
        summary="Convolutional networks over HTTP.",
        lifespan=lifespan,
        # FastAPI's own pages fetch their scripts from a content network; ours must work where there is none.
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.registry = registry
    app.state.board = board
    app.state.follower = follower
    app.state.control = control
    app.state.metrics = metrics
    patch_fastapi(app, title="Maxpool", redirect_from_root_to_docs=False)
    own: list[tuple[tuple[str, ...], type[Road]]] = [(PREDICT_PATHS, Predict)]
    for paths, road in own + dialects.roads(settings):
        app.add_road(paths, road(registry, settings, metrics))
    app.include_router(catalog(registry, metrics, settings))
    if "oip" in settings.spoken:
        app.include_router(oip_catalog(registry, settings, metrics))
        app.include_router(oip_repository(registry, control))
    add_error_handlers(app)

    described_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described_by_fastapi()
        models = list(registry)
        schema["paths"] = {**predict_paths(models), **dialects.paths(settings, models), **schema["paths"]}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


class Application(FastAPI):
    """Prediction requests go past the middleware and the routes, which cost them half as much again as the server and
    offer them nothing; whatever else there is about them (a wrong method, a prefix) goes the common way."""

    def add_road(self, paths: tuple[str, ...], road: Road) -> None:
        for path in paths:
            self.router.routes.append(Route(path, road, methods=road.methods, include_in_schema=False))
            pattern, _, _ = compile_path(path)
            self._roads.append((pattern, road))

    @cached_property
    def _roads(self) -> list[tuple[re.Pattern[str], Road]]:
        return []

    @cached_property
    def _road_of(self) -> Callable[[str], tuple[Road, dict[str, str]] | None]:
        """The road of a path and the parameters in it. Nearly all requests are for few paths."""

        @lru_cache(PATHS)
        def find(path: str) -> tuple[Road, dict[str, str]] | None:
            matches = ((road, pattern.match(path)) for pattern, road in self._roads)
            return next(((road, match.groupdict()) for road, match in matches if match), None)

        return find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not scope.get("root_path"):
            path = scope["path"]
            found = self._road_of(path) if len(path) <= LONG_PATH else None
            if found is not None:
                road, scope["path_params"] = found
                return await road(scope, receive, send)
        await super().__call__(scope, receive, send)


def worker_count(settings: Settings, provider: str) -> int:
    """Small nets scale by processes; on a GPU each would hold a context and a copy of every model, and OpenVINO's
    threads do not outlive a fork. Raises SettingsError."""
    if provider != "cpu" and settings.workers > 1:
        raise SettingsError(f"MAXPOOL_WORKERS is {settings.workers}: with {provider} there is one process; set it to 1")
    return settings.workers or (min(4, cpu_count()) if provider == "cpu" else 1)


def add_error_handlers(app: FastAPI) -> None:
    """Whatever goes wrong, the body is {"error": …}."""

    @app.exception_handler(MaxpoolError)
    async def ours(request: Request, error: MaxpoolError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, error.status, headers=error_headers(error))

    @app.exception_handler(StarletteHTTPException)
    async def router(request: Request, error: HTTPException) -> JSONResponse:
        text = str(error.detail)
        if error.status_code == 404:
            text = f"there is nothing at {request.scope['path']}: GET /docs lists what there is"
        elif error.status_code == 405:
            text = f"{request.method} is not for {request.scope['path']}: expected {(error.headers or {}).get('Allow')}"
        return JSONResponse({"error": text}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        text = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return JSONResponse({"error": text}, 400)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": BUG}, 500)
