"""An error that the connection itself answers with, no application in between."""

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.errors import MaxpoolError
from service.protocols.replies import Header, error_headers


def refusal(error: MaxpoolError, default_headers: list[Header]) -> bytes:
    body = orjson.dumps({"error": str(error)})
    headers = [
        *default_headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in error_headers(error).items()),
        (b"connection", b"close"),
    ]
    lines = (b"%s: %s\r\n" % header for header in headers)
    return b"".join((STATUS_LINE[error.status], *lines, b"\r\n", body))
