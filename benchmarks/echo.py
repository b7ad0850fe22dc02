"""uvicorn benchmarks.echo:echo: what HTTP alone costs. Any server feature costs more."""

from typing import Any

ANSWER = b"x" * 400
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """A bare ASGI application: the body read, as many bytes as our answer sent."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
