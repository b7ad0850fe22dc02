"""The page at /, and the files it is made of: read once, told by their digest, packed for browsers that unpack."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request, Response

from service.errors import NotFound

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
INDEX = "index.html"
# Nothing is fetched from elsewhere, no script or style stands in the page, nobody puts it in a frame.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "cache-control": "no-cache",  # asked for each time, sent only when it is another
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class File:
    media_type: str
    plain: bytes
    packed: bytes
    tag: str


@cache
def files() -> dict[str, File]:
    """By their names, which are all that can be asked for."""
    found = {}
    for entry in (resources.files("service") / "page").iterdir():
        kind = MEDIA_TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None:
            plain = entry.read_bytes()
            tag = hashlib.sha256(plain).hexdigest()[:32]
            found[entry.name] = File(kind, plain, gzip.compress(plain, mtime=0), tag)
    return found


def page_paths() -> list[str]:
    """What is open to all where there are keys: the page asks for one itself."""
    return ["/", *(f"/page/{name}" for name in files())]


def send(request: Request, file: File) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if packed else ""}"'
    headers = {**HEADERS, "etag": tag, "vary": "accept, accept-encoding"}
    known = (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(","))
    if tag in known:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if packed else file.plain, media_type=file.media_type, headers=headers)


def page(*, alive: bool) -> APIRouter:
    """`alive`: who asks for / and does not want a page, gets what KServe's first protocol has there."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(request: Request) -> Response:
        if alive and "text/html" not in request.headers.get("accept", ""):
            return Response(b'{"status":"alive"}', media_type="application/json", headers={"vary": "accept"})
        return send(request, files()[INDEX])

    @router.get("/page/{name}")
    async def file(request: Request, name: str) -> Response:
        found = files().get(name)
        if found is None:
            raise NotFound(f"the page has no file of the name {name[:64]!r}: expected one of {', '.join(files())}")
        return send(request, found)

    return router
