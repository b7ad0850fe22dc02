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

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__, common
from service.cpus import cpu_count, worker_count
from service.engine.board import Board
from service.engine.follower import Follower
from service.engine.registry import Registry
from service.engine.repository import Repository
from service.engine.session import choose_provider
from service.errors import MaxpoolError
from service.limits import Limits
from service.metrics import Metrics
from service.protocols import dialects
from service.protocols.admin_key import AdminKey
from service.protocols.api_keys import ApiKeys
from service.protocols.assets import assets
from service.protocols.catalog import catalog
from service.protocols.cors import Cors
from service.protocols.door import Door
from service.protocols.examples import examples
from service.protocols.inspect import Inspect
from service.protocols.inspect_openapi import INSPECT_PATHS, inspect_paths
from service.protocols.live import live
from service.protocols.oip_catalog import oip_catalog
from service.protocols.oip_repository import Control, oip_repository
from service.protocols.openapi import predict_paths, without_422
from service.protocols.page import page, page_paths
from service.protocols.replies import error_body, send_error
from service.protocols.road import Road
from service.protocols.rollout import rollout
from service.requestid import RequestIds
from service.requestlog import Entry, RequestLog
from service.room import Room
from service.settings import Settings, words
from service.turns import Turns

log = logging.getLogger("maxpool")
BODIES = 8  # of the largest that are taken, held at once in one process
YOUNG_OBJECTS = 50_000  # between two looks of the garbage collector at the youngest
PATHS, LONG_PATH = 1024, 512  # how many are remembered, and how long in characters


def create_app(settings: Settings | None = None, *, cpus: int | None = None) -> FastAPI:
    """Models are loaded when the application starts, before it answers; `app.state.follower.begin` may do it earlier.
    `cpus`: that this process may use, where whoever starts it shares out a machine's among several. Raises
    SettingsError."""
    settings = settings or Settings.from_env(os.environ)
    metrics = Metrics()
    traces = None
    if settings.traces_endpoint:
        from service.traces import Traces  # with all that it brings: not for those who want none

        traces = Traces(settings, metrics.spans_dropped)
    requests = RequestLog(
        metrics.log_lines_dropped,
        on=bool(settings.request_log),
        ids=RequestIds(settings.traces_share if traces else None),
        trace=traces.add if traces else None,
    )
    provider = choose_provider(settings.provider)
    workers = worker_count(settings, provider)
    slots = workers + 1 if workers > 1 else 1  # with workers, the first process is one more
    registry = Registry(
        cpus=cpus or max(1, cpu_count() // workers),
        provider=provider,
        queue_rows=settings.queue_rows,
        max_pixels=settings.max_pixels,
        metrics=metrics,
        slots=slots,
    )
    board = Board(slots)
    follower = Follower(registry, board, settings.models)
    repository = Repository(registry, board, follower, settings.models)
    control = Control(repository, AdminKey.read(settings.admin_key_file), metrics.rejected)
    keys: ApiKeys | None = None
    if settings.keys_file:
        keys = ApiKeys(settings.keys_file, Limits(workers + 1), metrics.rejected, control.key.digest)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # A thread that comes back from a run waits for the interpreter: by default up to 5 ms, longer than most runs.
        sys.setswitchinterval(0.0005)
        requests.ids.begin()
        if traces is not None:
            traces.begin()
        follower.begin()
        await repository.catch_up()
        await registry.rehearse()
        # What is loaded now stays for long. Left to the collector, a full pass over it stops the loop for 30 ms.
        gc.collect()
        gc.freeze()
        # A request leaves no cycles behind; to look for some after every 700 objects took 7 % of its time.
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        tasks = [asyncio.create_task(repository.follow()), asyncio.create_task(repository.judge())]
        if settings.reload_seconds:
            tasks.append(asyncio.create_task(repository.watch(settings.reload_seconds / 2)))
        if keys is not None:
            tasks.append(asyncio.create_task(keys.watch()))
        yield
        for task in tasks:
            task.cancel()
        registry.close()
        if inspect is not None:
            inspect.close()
        await asyncio.gather(requests.close(), *([traces.close()] if traces is not None else []))

    app = Application(
        title="Maxpool",
        version=__version__,
        summary="Convolutional networks over HTTP.",
        lifespan=lifespan,
        # FastAPI's own pages fetch their scripts from a content network; ours must work where there is none.
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,  # it would send a client to whatever its Host header says
    )
    app.state.registry = registry
    app.state.board = board
    app.state.follower = follower
    app.state.control = control
    app.state.keys = keys
    app.state.metrics = metrics
    app.state.requests = requests
    app.include_router(assets())  # before those of the page
    patch_fastapi(app, title="Maxpool", redirect_from_root_to_docs=False)
    room = Room(BODIES * settings.max_body_bytes)
    for dialect, paths, road in dialects.roads(settings):
        app.add_road(paths, road(registry, settings, metrics, requests, room, dialect=dialect))
    if settings.page:
        app.include_router(page(alive="kserve" in settings.spoken))  # before the catalogue, which has another /
    inspect: Inspect | None = None
    if settings.inspect:
        inspect = Inspect(registry, settings, metrics, requests, room, dialect="inspect")
        app.add_road(INSPECT_PATHS, inspect)
    app.include_router(catalog(registry, metrics, settings))
    app.include_router(rollout(registry, control))
    app.include_router(examples(registry))
    app.include_router(live(registry, metrics))
    if "oip" in settings.spoken:
        app.include_router(oip_catalog(registry, settings, metrics))
        app.include_router(oip_repository(registry, control))
    common.add_error_handlers(app)

    also_open = (*words(settings.health_route), *(page_paths() if settings.page else ()))
    door = Door(app.answer, keys, app.refuse, also_open=also_open) if keys else None
    app.entrance = door
    if settings.origins:
        app.entrance = Cors(door or app.answer, settings.origins, app.tell)

    described_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        schema = without_422(described_by_fastapi())
        models = list(registry)
        inspected = inspect_paths(models) if settings.inspect else {}
        schema["paths"] = {**predict_paths(models), **inspected, **dialects.paths(settings, models), **schema["paths"]}
        if door is not None:
            door.describe(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


class Application(FastAPI):
    """Prediction requests go past the middleware and the routes, which cost them half as much again as the server and
    offer them nothing; whatever else there is about them (a wrong method, a prefix) goes the common way."""

    entrance: ASGIApp | None = None  # before all else, where there are keys or other origins

    def add_road(self, paths: tuple[str, ...], road: Road) -> None:
        for path in paths:
            self.router.routes.append(Route(path, road, methods=road.methods, include_in_schema=False))
            pattern, _, _ = compile_path(path)
            self._roads.append((pattern, road))
            road.routes.append((pattern, path))

    @cached_property
    def _turns(self) -> Turns:
        return Turns()

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
        await (self.entrance or self._way(scope))(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """To whoever has come in."""
        await self._way(scope)(scope, receive, send)

    def _way(self, scope: Scope) -> ASGIApp:
        if scope["type"] == "http" and scope["method"] == "POST" and not scope.get("root_path"):
            path = scope["path"]
            found = self._road_of(path) if len(path) <= LONG_PATH else None
            if found is not None:
                road, scope["path_params"] = found
                return road
        return self._common

    async def _common(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await super().__call__(scope, receive, send)
        await self._turns.take()
        await self.tell(super().__call__, scope, receive, send)

    async def tell(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """What `app` answers, with the request's id."""
        await common.answer(app, self.state.requests, scope, receive, send)

    async def refuse(self, scope: Scope, send: Send, error: MaxpoolError) -> None:
        """In the words of the path's protocol."""
        requests: RequestLog = self.state.requests
        identity = scope["identity"] = requests.ids.identify(scope["headers"])
        path = scope["path"]
        found = self._road_of(path) if len(path) <= LONG_PATH else None
        body = found[0].error_body(error) if found else error_body(error)
        await send_error(send, error, body, identity)
        if requests.on or identity.span:
            told = (error.status, error.reason, scope["client"], len(body))
            requests.add(Entry(identity, scope["method"], scope["raw_path"], *told))
