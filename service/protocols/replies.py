"""ASGI in and out, as plain as it gets: a body read within its limit, a reply sent, an error as {"error", "reason"}."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from starlette.types import Receive, Scope, Send

from service.engine.model import Predictions
from service.errors import Disconnected, InputTooLarge, MaxpoolError, Unauthorized, Unavailable
from service.requestid import Identity

Header = tuple[bytes, bytes]
PIECE = 256 * 1024  # bytes of an answer that are sent at once; the rest waits with us until the client has read on


@dataclass(slots=True)
class Reply:
    body: bytes
    media_type: bytes = b"application/json"
    headers: list[Header] = field(default_factory=list)
    predictions: Predictions | None = None  # what it tells, for Server-Timing and the metrics


def header(scope: Scope, name: bytes) -> str:
    """The header's first value, "" where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: str = value.decode("latin-1")
            return found
    return ""


def not_counted(size: int) -> None:
    pass


async def read_body(
    scope: Scope, receive: Receive, *, max_bytes: int, hold: Callable[[int], None] = not_counted
) -> bytes:
    """`hold` is told the bytes of each piece of a body that comes in several.

    Raises Disconnected; InputTooLarge as soon as the limit is passed, declared ones before the body is read; what
    `hold` raises.
    """
    declared = header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(int(declared), max_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
    else:
        gathered = bytearray()
        while True:
            if message["type"] != "http.request":
                raise Disconnected
            piece = message.get("body", b"")
            hold(len(piece))
            gathered += piece
            if len(gathered) > max_bytes:
                raise too_large(len(gathered), max_bytes)
            if not message.get("more_body"):
                break
            message = await receive()
        body = bytes(gathered)
    if len(body) > max_bytes:
        raise too_large(len(body), max_bytes)
    return body


def too_large(found: int, allowed: int) -> InputTooLarge:
    return InputTooLarge(f"the body has {found:,} bytes or more: at most {allowed:,} (MAXPOOL_MAX_BODY_BYTES)")


async def send_reply(send: Send, status: int, reply: Reply, identity: Identity) -> None:
    timing = [server_timing(reply.predictions)] if reply.predictions else []
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", reply.media_type),
                (b"content-length", b"%d" % len(reply.body)),
                *identity.headers,
                *timing,
                *reply.headers,
            ],
        }
    )
    body = reply.body
    if len(body) > PIECE:
        last = (len(body) - 1) // PIECE * PIECE
        for at in range(0, last, PIECE):
            await send({"type": "http.response.body", "body": body[at : at + PIECE], "more_body": True})
        body = body[last:]
    await send({"type": "http.response.body", "body": body})


def error_fields(error: MaxpoolError) -> dict[str, str]:
    return {"error": str(error), "reason": error.reason}


def error_body(error: MaxpoolError) -> bytes:
    return orjson.dumps(error_fields(error))


def error_headers(error: MaxpoolError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"www-authenticate": "Bearer"}
    return {"retry-after": str(error.retry_after)} if isinstance(error, Unavailable) else {}


async def send_error(send: Send, error: MaxpoolError, body: bytes, identity: Identity) -> None:
    headers = [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
    await send_reply(send, error.status, Reply(body, headers=headers), identity)


def server_timing(predictions: Predictions) -> Header:
    """W3C Server-Timing, in milliseconds."""
    timing = (
        f"decode;dur={predictions.decode_seconds * 1e3:.3f}, queue;dur={predictions.queue_seconds * 1e3:.3f}, "
        f"infer;dur={predictions.infer_seconds * 1e3:.3f}"
    )
    return b"server-timing", timing.encode()
