"""An answer on the common way, which all requests take but predictions: it gets the request's id, and the log a line of
it if it is a refusal."""

import logging
import time
from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Disconnected, InternalError, InvalidInput, MaxpoolError, MethodNotAllowed, NotFound
from service.protocols.replies import error_fields, error_headers
from service.protocols.road import with_id
from service.requestlog import GONE, Entry, RequestLog

log = logging.getLogger("maxpool")


async def answer(app: ASGIApp, requests: RequestLog, scope: Scope, receive: Receive, send: Send) -> None:
    """An error that `app` raises when it has answered goes into the log, and no further."""
    identity = scope["identity"] = requests.ids.identify(scope["headers"])
    start = time.perf_counter()
    status = sent = 0
    ours = False  # and no road's, which has said it all

    async def send_with_id(message: Message) -> None:
        nonlocal status, sent, ours
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = list(message.get("headers", ()))
            ours = all(name != b"x-request-id" for name, _ in headers)
            if ours:
                message = {**message, "headers": [*headers, *identity.headers]}
        else:
            sent += len(message.get("body", b""))
        await send(message)

    try:
        await app(scope, receive, send_with_id)
    except Disconnected:
        status, scope["reason"] = GONE, Disconnected.__name__
    except Exception as error:
        log.error("a bug in answering %s", scope["path"], exc_info=error, extra={"request_id": identity.id})
    refused = status >= 400
    # A look at a list or at our health is traced for a client that traces it; probes would fill the traces else.
    if ours and "refused" not in scope and ((requests.on or identity.span) if refused else identity.parent):
        requests.add(
            Entry(
                identity,
                scope["method"],
                scope["raw_path"],
                status,
                scope.get("reason"),
                scope["client"],
                sent,
                seconds=time.perf_counter() - start,
                route=getattr(scope.get("route"), "path", None),
            ),
            line=refused,
        )


def add_error_handlers(app: FastAPI) -> None:
    """Whatever goes wrong, the body is {"error": …, "reason": …}."""

    def answer(request: Request, error: MaxpoolError, headers: Mapping[str, str] | None = None) -> JSONResponse:
        request.scope["reason"] = error.reason
        return JSONResponse(error_fields(error), error.status, headers={**error_headers(error), **(headers or {})})

    @app.exception_handler(MaxpoolError)
    async def ours(request: Request, error: MaxpoolError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(StarletteHTTPException)
    async def router(request: Request, error: HTTPException) -> JSONResponse:
        path = request.scope["path"]
        if error.status_code == 404:
            return answer(request, NotFound(f"there is nothing at {path}: GET /docs lists what there is"))
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow")
            wrong = MethodNotAllowed(f"{request.method} is not for {path}: expected {allowed}")
            return answer(request, wrong, error.headers)
        return answer(request, InvalidInput(str(error.detail)))

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        text = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return answer(request, InvalidInput(text))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        return answer(request, with_id(InternalError(), request.scope["identity"].id))
