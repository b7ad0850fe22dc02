"""Inputs as bytes or sentences -> the request that carries them."""

import base64
import json
from collections.abc import Mapping, Sequence

import httpx2

# Up to this mean size of a picture its base64 in JSON costs client and service less time than a part of a form does
# (0.3 kB: 1.6 against 5.8 microseconds a picture; 68 kB: 270 against 27).
SMALL_PICTURE = 1024  # bytes
BOUNDARY = b"4f1b9e7ac8d24c0f9d3a-maxpool"


def single(url: httpx2.URL, loaded: bytes | str, headers: Mapping[str, str]) -> httpx2.Request:
    """The fast road: the picture or sentence is the body."""
    kind = "text/plain; charset=utf-8" if isinstance(loaded, str) else "application/octet-stream"
    return httpx2.Request("POST", url, content=loaded, headers={**headers, "content-type": kind})


def sentences(url: httpx2.URL, loaded: Sequence[str], headers: Mapping[str, str]) -> httpx2.Request:
    body = json.dumps({"inputs": loaded}, ensure_ascii=False, separators=(",", ":")).encode()
    return httpx2.Request("POST", url, content=body, headers={**headers, "content-type": "application/json"})


def pictures(url: httpx2.URL, loaded: Sequence[bytes], headers: Mapping[str, str]) -> httpx2.Request:
    """A form with a part for each, which a model of sentences refuses."""
    boundary = BOUNDARY
    while any(boundary in picture for picture in loaded):
        boundary += b"-"
    parts: list[bytes] = []
    for place, picture in enumerate(loaded):
        parts += (
            b'--%s\r\nContent-Disposition: form-data; name="inputs"; filename="%d"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" % (boundary, place),
            picture,
            b"\r\n",
        )
    body = b"".join([*parts, b"--%s--\r\n" % boundary])
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    return httpx2.Request("POST", url, content=body, headers={**headers, "content-type": kind})


def small_pictures(url: httpx2.URL, loaded: Sequence[bytes], headers: Mapping[str, str]) -> httpx2.Request:
    """Base64 in JSON: only for a model known to take pictures, as one of sentences would classify the base64."""
    body = b'{"inputs":["%s"]}' % b'","'.join(map(base64.b64encode, loaded))
    return httpx2.Request("POST", url, content=body, headers={**headers, "content-type": "application/json"})
