"""The script and the style of the page /docs, in pieces: fastapi_swagger's own routes read the whole file for each
request, hold the loop for 2 ms by it, and keep 1.7 MB for every client that does not read on."""

from collections.abc import AsyncIterator
from functools import cache
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

MEDIA_TYPES = {"swagger-ui-bundle.js": "application/javascript", "swagger-ui.css": "text/css"}
PIECE = 64 * 1024


@cache
def read(name: str) -> bytes:
    return (resources.files("fastapi_swagger.resources") / name).read_bytes()


async def pieces(asset: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(asset), PIECE):
        yield asset[at : at + PIECE]


def assets() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def send(name: str) -> StreamingResponse:
        asset = read(name)
        return StreamingResponse(
            pieces(asset), media_type=MEDIA_TYPES[name], headers={"content-length": str(len(asset))}
        )

    @router.get("/swagger/swagger-ui-bundle.js")
    async def script() -> StreamingResponse:
        return await send("swagger-ui-bundle.js")

    @router.get("/swagger/swagger-ui.css")
    async def style() -> StreamingResponse:
        return await send("swagger-ui.css")

    return router
