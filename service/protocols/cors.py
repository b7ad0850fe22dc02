"""Pages of other origins that may ask from a browser. It is told so, and sees to the rest."""

from collections.abc import Awaitable, Callable, Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import InvalidInput
from service.protocols.replies import error_fields

METHODS = ("GET", "POST", "PUT")
SENT = (
    *("authorization", "content-type", "content-encoding", "inference-header-content-length"),
    *("x-request-timeout-ms", "x-request-id", "traceparent", "tracestate"),
)
Answer = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
READ = ("server-timing", "retry-after", "x-request-id", "traceresponse", "inference-header-content-length")


class Cors(CORSMiddleware):
    """Without credentials, which are cookies: a key is a header that the page itself sends."""

    def __init__(self, app: ASGIApp, origins: Collection[str], answer: Answer) -> None:
        """`answer` sees to the id and the log of what is answered here."""
        super().__init__(
            app, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=READ, max_age=600
        )
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await self._answer(super().__call__, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        error = (
            f"{bytes(response.body).decode()}: allowed are {', '.join(self.allow_origins)} (MAXPOOL_CORS_ORIGINS), "
            f"{', '.join(METHODS)}, and the headers {', '.join(SENT)}"
        )
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return JSONResponse(error_fields(InvalidInput(error)), 400, headers=kept)
