"""An error that the connection itself answers with, no application in between."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.errors import MaxpoolError
from service.protocols.replies import Header, error_body, error_headers


def refusal(error: MaxpoolError, request_id: str, default_headers: list[Header]) -> bytes:
    body = error_body(error)
    headers = [
        *default_headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        *((name.encode(), value.encode()) for name, value in error_headers(error).items()),
        (b"connection", b"close"),
    ]
    lines = (b"%s: %s\r\n" % header for header in headers)
    return b"".join((STATUS_LINE[error.status], *lines, b"\r\n", body))
