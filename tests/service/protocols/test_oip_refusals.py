"""What no client should send to the infer route: each gets the status of the code table, and the server lives on."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.service.protocols.infer import COLOUR, LENGTH, RED_BLUE, binary, image, pixels, refused, scores, sentence

LIMIT = 4 * 1024 * 1024  # tiny_url's max_body_bytes


@pytest.fixture(scope="module")
def server(tiny_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=tiny_url, timeout=30) as client:
        yield client


@pytest.fixture
def http(server: httpx2.Client) -> Iterator[httpx2.Client]:
    """After each refusal the server is asked for something right."""
    yield server
    assert server.get("/v2/health/live").status_code == 200
    assert scores(server.post(COLOUR, json={"inputs": [image(RED_BLUE)]})).shape == (2, 3)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"5", b"{}", b"\xff\xfe", b'{"inputs": [NaN]}', b'{"id": "\\ud800"}']
    + [b'{"inputs": %s}' % inputs for inputs in (b"null", b"[]", b"{}", b"[1]", b"[null]", b'"image"', b"[{}]")],
)
def test_what_is_no_inference_request_is_400(http: httpx2.Client, body: bytes) -> None:
    refused(http.post(COLOUR, content=body), 400, "expected")


@pytest.mark.parametrize("depth", [100_000, 1_000])
@pytest.mark.parametrize("before", [b"", b'{"inputs": ', b'{"parameters": {"a": ', b'{"inputs": [{"data": '])
def test_json_nested_very_deep_is_400(http: httpx2.Client, depth: int, before: bytes) -> None:
    refused(http.post(COLOUR, content=before + b"[" * depth), 400)
    refused(http.post(COLOUR, content=before + b'{"a":' * depth), 400)


@pytest.mark.parametrize("depth", [2, 30, 900])
def test_data_nested_deeper_than_its_shape_is_400(http: httpx2.Client, depth: int) -> None:
    body = json.dumps({"inputs": [image(RED_BLUE, data="here")]}).replace('"here"', "[" * depth + "1" + "]" * depth)
    refused(http.post(COLOUR, content=body.encode()), 400, "axis 0")


def test_data_that_is_ragged_or_cut_is_400(http: httpx2.Client) -> None:
    nested = RED_BLUE.tolist()
    nested[1][7] = nested[1][7][:-1]
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, data=nested)]}), 400, "axis 2")
    nested[1][7] = 5
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, data=nested)]}), 400, "axis 2")
    for wrong in ([], [1] * 383, [1] * 385, "text", {"0": 1}, 5, None):
        refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, data=wrong)]}), 400, "data")


def test_the_protocol_s_own_example_which_contradicts_itself_is_400(http: httpx2.Client) -> None:
    """Its input1 has shape [3] and one element."""
    tensor = {"name": "sentence", "shape": [3], "datatype": "BYTES", "data": ["one"]}
    refused(http.post(LENGTH, json={"inputs": [tensor]}), 400, "1 elements", "3")


def test_inputs_that_are_unknown_or_given_twice_are_400(http: httpx2.Client) -> None:
    for inputs in ([image(RED_BLUE, name="picture")], [image(RED_BLUE)] * 2, [image(RED_BLUE), sentence("a")]):
        refused(http.post(COLOUR, json={"inputs": inputs}), 400, "'image'", "once")
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, name=5)]}), 400, "'image'")


def test_nan_and_infinity_are_no_json(http: httpx2.Client) -> None:
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        body = b'{"inputs":[{"name":"image","shape":[1,8,8,3],"datatype":"UINT8","data":[%s]}]}' % number
        refused(http.post(COLOUR, content=body), 400, "JSON")


@pytest.mark.parametrize(
    "length",
    ["-1", "1.5", "ten", "0x10", "1" * 5000, "99999999999", "18446744073709551616", "1e3", "²", "+5", "5 5"],
)
def test_b8_a_header_length_that_is_no_length_is_400(http: httpx2.Client, length: str) -> None:
    body, _ = binary(image(RED_BLUE), RED_BLUE.tobytes())
    headers = [(b"inference-header-content-length", length.encode())]
    refused(http.post(COLOUR, content=body, headers=headers), 400, "Inference-Header-Content-Length")


def test_b8_a_header_length_that_lies_is_400(http: httpx2.Client) -> None:
    body, headers = binary(image(RED_BLUE), RED_BLUE.tobytes())
    true = int(headers["inference-header-content-length"])
    for length in (1, true - 1, true + 1, len(body)):
        lie = {"inference-header-content-length": str(length)}
        refused(http.post(COLOUR, content=body, headers=lie), 400, "JSON")


def test_a_blob_needs_both_its_size_and_the_header(http: httpx2.Client) -> None:
    body, headers = binary(image(RED_BLUE), b"")
    refused(http.post(COLOUR, content=body), 400, "Inference-Header-Content-Length")
    refused(http.post(COLOUR, content=body, headers=headers), 400, "384")
    body = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    length = {"inference-header-content-length": str(len(body))}
    refused(http.post(COLOUR, content=body + b"x", headers=length), 400, "binary_data_size")
    assert http.post(COLOUR, content=body, headers=length).status_code == 200
    both = image(RED_BLUE, parameters={"binary_data_size": 384})
    refused(http.post(COLOUR, json={"inputs": [both]}), 400, "one of them")


def test_no_rows_are_400_and_too_many_413(http: httpx2.Client) -> None:
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE[:0])]}), 400, "no rows")
    refused(http.post(LENGTH, json={"inputs": [sentence()]}), 400, "no rows")
    many = pixels(*[(0, 0, 0)] * 33)
    refused(http.post(COLOUR, json={"inputs": [image(many)]}), 413, "33", "32")
    body, headers = binary(image(many), many.tobytes())
    refused(http.post(COLOUR, content=body, headers=headers), 413, "33", "32")
    refused(http.post(COLOUR, content=many.tobytes(), headers={"inference-header-content-length": "0"}), 413)
    refused(http.post(LENGTH, json={"inputs": [sentence(data=["a"], shape=[2**62])]}), 413, "32")


def test_a_body_over_the_limit_is_413(http: httpx2.Client) -> None:
    refused(http.post(COLOUR, content=bytes(LIMIT + 1)), 413, "4,194,304")
    padded = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    assert http.post(COLOUR, content=padded.ljust(LIMIT)).status_code == 200


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_zip_bomb_is_413(http: httpx2.Client, encoding: str, encode: Any) -> None:
    headers = {"content-encoding": encoding}
    bomb = encode(bytes(256 * 1024 * 1024), 1)
    refused(http.post(COLOUR, content=bomb, headers=headers), 413, "4,194,304", "inflated")
    padded = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    assert http.post(COLOUR, content=encode(padded.ljust(LIMIT)), headers=headers).status_code == 200
    refused(http.post(COLOUR, content=encode(padded.ljust(LIMIT + 1)), headers=headers), 413)


def test_json_that_calls_itself_a_tensor_is_not_taken_for_a_sentence(http: httpx2.Client) -> None:
    headers = {"inference-header-content-length": "0", "content-type": "application/json; charset=utf-8"}
    refused(http.post(LENGTH, content=b'{"inputs": []}', headers=headers), 415, "application/octet-stream")
    headers["content-type"] = "application/octet-stream"
    assert http.post(LENGTH, content=b"so it goes", headers=headers).status_code == 200


def test_an_encoding_that_lies_is_400_and_an_unknown_one_415(http: httpx2.Client) -> None:
    body = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    for encoding, wrong in (("gzip", body), ("deflate", body), ("gzip", zlib.compress(body)), ("deflate", b"")):
        refused(http.post(COLOUR, content=wrong, headers={"content-encoding": encoding}), 400, encoding)
    refused(http.post(COLOUR, content=gzip.compress(body)[:-9], headers={"content-encoding": "gzip"}), 400, "cut off")
    twice = gzip.compress(body) + gzip.compress(b"")
    refused(http.post(COLOUR, content=twice, headers={"content-encoding": "gzip"}), 400, "after its end")
    for unknown in ("br", "gzip, gzip", "zstd"):
        refused(http.post(COLOUR, content=body, headers={"content-encoding": unknown}), 415, "gzip, deflate")


def test_reserved_parameters_of_another_type_are_400(http: httpx2.Client) -> None:
    document = {"inputs": [image(RED_BLUE)], "parameters": {"binary_data_output": "yes"}}
    refused(http.post(COLOUR, json=document), 400, "binary_data_output")
    outputs = [{"name": "scores", "parameters": {"binary_data": 1}}]
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "outputs": outputs}), 400, "binary_data")


def test_no_error_tells_of_the_server_s_inside(http: httpx2.Client) -> None:
    for body in (b"{", b'{"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["AAAA"]}]}'):
        error = http.post(COLOUR, content=body).json()["error"]
        for inside in ("/", "Traceback", "site-packages", "numpy", "orjson", "PIL", "object at 0x"):
            assert inside not in error
