"""Content-Encoding of a request, which is the same in every protocol."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import plain, serving
from tests.service.protocols.infer import RED_BLUE, image

LIMIT = 256 * 1024
RED = base64.b64encode(plain("red")).decode()
REQUESTS: dict[str, bytes] = {
    "/v1/models/colour/predict": plain("red"),
    "/invocations": json.dumps({"inputs": RED}).encode(),
    "/v1/models/colour:predict": json.dumps({"instances": [{"b64": RED}]}).encode(),
    "/v2/models/colour/infer": json.dumps({"inputs": [image(RED_BLUE)]}).encode(),
    "/models/colour": plain("red"),
    "/predictions/colour": plain("red"),
    "/predict": json.dumps({"inputs": "so it goes"}).encode(),
}
ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [("gzip", gzip.compress), ("deflate", zlib.compress)]


@pytest.fixture(scope="module")
def http(tiny_models: Path) -> Iterator[httpx2.Client]:
    with (
        serving(models=tiny_models, workers=1, max_body_bytes=LIMIT, default_model="colour,length") as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def post(http: httpx2.Client, path: str, content: bytes, encoding: str) -> httpx2.Response:
    kind = {"content-type": "application/json"} if REQUESTS[path][:1] == b"{" else {}
    return http.post(path, content=content, headers={"content-encoding": encoding, **kind})


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize(("encoding", "encode"), ENCODERS)
def test_a_packed_request_is_answered_as_the_plain_one(
    http: httpx2.Client, path: str, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    plainly = post(http, path, REQUESTS[path], "identity")
    assert plainly.status_code == 200, plainly.text
    packed = post(http, path, encode(REQUESTS[path]), encoding)
    assert (packed.status_code, packed.content) == (200, plainly.content)


@pytest.mark.parametrize("path", REQUESTS)
def test_one_that_lies_is_400_a_bomb_413_and_an_unknown_one_415(http: httpx2.Client, path: str) -> None:
    cases: list[tuple[bytes, str, int, str]] = [
        (REQUESTS[path], "gzip", 400, "is not gzip"),
        (gzip.compress(REQUESTS[path])[:-9], "gzip", 400, "cut off"),
        (gzip.compress(bytes(LIMIT + 1)), "gzip", 413, "inflated"),
        (REQUESTS[path], "br", 415, "gzip, deflate"),
        (REQUESTS[path], "gzip, gzip", 415, "gzip, deflate"),
    ]
    for content, encoding, status, words in cases:
        answer: Any = post(http, path, content, encoding)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]
    assert post(http, path, REQUESTS[path], "").status_code == 200
