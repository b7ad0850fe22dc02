"""A stand-in for the service, on a real socket, and the two clients behind one way to call them."""

import asyncio
import base64
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from maxpool_client import AsyncClient, Client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Use = Callable[[Any], Any]
Caller = Callable[..., Any]


class StandIn:
    """Answers as the service does; the label of an input is its own text, and b"bad" is refused."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[SimpleNamespace] = []
        self.instead: deque[Response] = deque()  # answers to give first, whatever is asked
        self.app = Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/models/{name}", self.model),
                Route("/v1/models/{name}/versions/{version}", self.model),
                Route("/v1/models/{name}/predict", self.predict, methods=["POST"]),
                Route("/v1/models/{name}/versions/{version}/predict", self.predict, methods=["POST"]),
                Route("/v1/models/{name}/inspect", self.inspect, methods=["POST"]),
                Route("/readyz", self.readyz),
            ]
        )

    async def predict(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0]
        alone = False
        if kind == "multipart/form-data":
            async with request.form(max_files=1000) as form:
                inputs = [await part.read() for _, part in form.multi_items() if not isinstance(part, str)]
        elif kind == "application/json":
            unpack = base64.b64decode if request.path_params["name"] == "lenet5-mnist" else str.encode
            inputs = [unpack(given) for given in (await request.json())["inputs"]]
        else:
            inputs, alone = [await request.body()], True
        self.requests.append(
            SimpleNamespace(
                path=request.url.path, query=request.url.query, kind=kind, inputs=inputs, headers=request.headers
            )
        )
        if self.instead:
            return self.instead.popleft()
        if (alone or len(inputs) == 1) and inputs[0] == b"bad":
            return JSONResponse({"error": "not a picture"}, 400)
        document = {
            "model": request.path_params["name"],
            "version": request.path_params.get("version", "1"),
            "predictions": [self.answer(given, kind) for given in inputs],
        }
        return JSONResponse(document, headers={"server-timing": "decode;dur=0.125, queue;dur=0.0, infer;dur=2e-3"})

    def answer(self, given: bytes, kind: str) -> dict[str, Any]:
        if given == b"bad":
            return {"error": "not a picture", "code": 400}
        top = [{"label": given.decode("latin-1"), "index": 7, "score": 0.75}, {"label": "x", "index": 1, "score": 0.25}]
        picture = {"format": "PNG", "width": 28, "height": 20, "mode": "L", "orientation": 1}
        textual = kind in ("application/json", "text/plain")
        return {**top[0], "top": top, "input": {"characters": len(given)} if textual else picture}

    async def inspect(self, request: Request) -> Response:
        return self.instead.popleft()

    async def models(self, request: Request) -> Response:
        if self.instead:
            return self.instead.popleft()
        return JSONResponse(
            {"models": [{"name": "lenet5-mnist", "version": "1", "task": "image-classification", "status": "ready"}]}
        )

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ("lenet5-mnist", "textcnn-rt"):
            return JSONResponse({"error": f"there is no model {name!r}"}, 404)
        return JSONResponse(
            {
                "name": name,
                "version": request.path_params.get("version", "1"),
                "task": "sentence-classification" if name == "textcnn-rt" else "image-classification",
                "labels": ["0", "1"],
                "status": "ready",
                "spec": {"title": "Digits"},
            }
        )

    async def readyz(self, request: Request) -> Response:
        return self.instead.popleft() if self.instead else JSONResponse({"status": "ready"})


@pytest.fixture(scope="session")
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    config = uvicorn.Config(stand_in.app, port=0, lifespan="off", log_level="error", ws="none", loop="asyncio")
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not uvicorn_server.started:
        assert time.monotonic() < deadline, "the stand-in did not start"
        time.sleep(0.01)
    host, port = uvicorn_server.servers[0].sockets[0].getsockname()
    stand_in.url = f"http://{host}:{port}"
    yield stand_in
    uvicorn_server.should_exit = True
    thread.join(10)


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.requests.clear()
    server.instead.clear()
    return server


def call_sync(url: str, use: Use, **options: Any) -> Any:
    with Client(url, **options) as client:
        return use(client)


def call_async(url: str, use: Callable[[AsyncClient], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(url, **options) as client:
            return await use(client)

    return asyncio.run(run())


def all_of(answers: Any) -> Any:
    """What a stream of either client gives, as a list, for AsyncClient to be awaited."""
    if not isinstance(answers, AsyncIterator):
        return list(answers)

    async def gathered() -> list[Any]:
        return [each async for each in answers]

    return gathered()


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Caller:
    """call(url, use, **options): what `use(client)` gives, with Client and then with AsyncClient."""
    caller: Caller = request.param
    return caller


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a client took; none of them passes in fact."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("maxpool_client._client.time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(
        "maxpool_client._async_client.asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread)
    )
    return pauses
