"""What a request that went wrong leaves behind: nothing, or a hostile client could fill the memory before the garbage
collector looks, which is seldom."""

import random
from contextlib import suppress
from pathlib import Path

import httpx2
import orjson
from PIL import Image

from tests.conftest import encode, plain, started, write_colour
from tests.service.test_memory import MIB, memory

BYTES = MIB
REQUESTS = 80
NOISE = bytes(range(256)) * (BYTES // 256)
NOISY = encode(Image.frombytes("RGB", (800, 600), random.Random(0).randbytes(800 * 600 * 3)))  # some 1.4 MB
NATIVE, OIP = "/v1/models/colour/predict", "/v2/models/colour/infer"


def no_picture(http: httpx2.Client) -> int:
    return http.post(NATIVE, content=NOISE).status_code


def broken_picture(http: httpx2.Client) -> int:
    return http.post(NATIVE, content=NOISY[:BYTES]).status_code


def no_json(http: httpx2.Client) -> int:
    return http.post(
        NATIVE, content=b'{"inputs": ["' + b"a" * BYTES, headers={"content-type": "application/json"}
    ).status_code


def a_bad_row(http: httpx2.Client) -> int:
    answer = http.post(NATIVE, json={"inputs": ["A" * BYTES, "no base64"]})
    assert [each["code"] for each in answer.json()["predictions"]] == [400, 400]
    return 400


def a_bad_part(http: httpx2.Client) -> int:
    answer = http.post(NATIVE, files=[("a", NOISE), ("b", plain("red"))])
    assert answer.json()["predictions"][0]["code"] == 400
    return 400


def another_dialect(http: httpx2.Client) -> int:
    return http.post("/v1/models/colour:predict", json={"instances": ["A" * BYTES]}).status_code


def a_wrong_shape(http: httpx2.Client) -> int:
    head = orjson.dumps(
        {"inputs": [{"name": "image", "shape": [1, 9], "datatype": "UINT8", "parameters": {"binary_data_size": BYTES}}]}
    )
    headers = {"inference-header-content-length": str(len(head))}
    return http.post(OIP, content=head + NOISE, headers=headers).status_code


def too_late(http: httpx2.Client) -> int:
    """Or in time: what matters is what is left."""
    content = plain("red") + NOISE
    return 400 if http.post(NATIVE, content=content, headers={"x-request-timeout-ms": "1"}).status_code else 0


def given_up(http: httpx2.Client) -> int:
    with suppress(httpx2.TimeoutException):
        http.post(NATIVE, content=NOISE, timeout=0.002)
    return 400


WAYS = (no_picture, broken_picture, no_json, a_bad_row, a_bad_part, another_dialect, a_wrong_shape, too_late, given_up)


def test_a_bad_request_is_forgotten_when_it_is_answered(tmp_path: Path) -> None:
    write_colour(tmp_path / "colour" / "1")
    with started(tmp_path, workers=1) as (pid, url), httpx2.Client(base_url=url) as http:
        for way in WAYS:
            assert [way(http) for _ in range(10)] == [400] * 10
            before = memory(pid)
            for _ in range(REQUESTS):
                way(http)
            assert memory(pid) - before < REQUESTS * BYTES / 5, way
