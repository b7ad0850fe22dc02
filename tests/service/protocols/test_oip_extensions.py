"""The extensions of the Open Inference Protocol; a test is named after the requirement that it holds.

B: binary tensors, C: classification, S: schedule policy.
"""

import gzip
import json
import time
import zlib
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.service.protocols.infer import (
    COLOUR,
    LENGTH,
    RED_BLUE,
    binary,
    framed,
    image,
    pixels,
    refused,
    scores,
    sentence,
    serialized,
)


def test_b1_b2_binary_input_is_json_then_the_blob(http: httpx2.Client, expected: Any) -> None:
    body, headers = binary(image(RED_BLUE), RED_BLUE.tobytes())
    for media in ({}, {"content-type": "application/octet-stream"}):
        np.testing.assert_array_equal(scores(http.post(COLOUR, content=body, headers=headers | media)), expected)


def test_b2_bytes_elements_have_their_length_before_them(http: httpx2.Client) -> None:
    body, headers = binary(sentence("", ""), serialized("ünï 🙂".encode(), b"one two three four five"))
    found = scores(http.post(LENGTH, content=body, headers=headers))
    assert np.argmax(found, axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("size", [383, 385, 0, -1, 2**63, 1.5, "384", True, None])
def test_b3_a_size_that_is_not_the_rest_of_the_body_is_refused(http: httpx2.Client, size: Any) -> None:
    tensor = {name: value for name, value in image(RED_BLUE).items() if name != "data"}
    tensor["parameters"] = {"binary_data_size": size}
    body, headers = framed({"inputs": [tensor]}, RED_BLUE.tobytes())
    refused(http.post(COLOUR, content=body, headers=headers), 400)


@pytest.mark.parametrize("cut", [-1, 1])
def test_b3_a_blob_that_is_not_the_shape_s_size_is_refused(http: httpx2.Client, cut: int) -> None:
    blob = RED_BLUE.tobytes()[:-1] if cut < 0 else RED_BLUE.tobytes() + b"x"
    body, headers = binary(image(RED_BLUE), blob)
    refused(http.post(COLOUR, content=body, headers=headers), 400, "384")


@pytest.mark.parametrize(
    "blob",
    [b"", b"\x01", b"\x05\x00\x00\x00ab", serialized(b"a"), serialized(b"a", b"b", b"c"), b"\xff\xff\xff\xff" * 2],
)
def test_b3_lengths_that_lie_are_refused(http: httpx2.Client, blob: bytes) -> None:
    body, headers = binary(sentence("", ""), blob)
    refused(http.post(LENGTH, content=body, headers=headers), 400, "its data")


@pytest.mark.parametrize(
    ("of_request", "of_output", "is_binary"),
    [(None, None, False), (True, None, True), (None, True, True), (True, False, False), (False, True, True)],
)
def test_b4_b5_the_output_s_own_wish_wins(
    http: httpx2.Client, of_request: bool | None, of_output: bool | None, is_binary: bool, expected: Any
) -> None:
    document: dict[str, Any] = {"inputs": [image(RED_BLUE)], "outputs": [{"name": "scores"}]}
    if of_request is not None:
        document["parameters"] = {"binary_data_output": of_request}
    if of_output is not None:
        document["outputs"][0]["parameters"] = {"binary_data": of_output}
    answer = http.post(COLOUR, json=document)
    assert ("inference-header-content-length" in answer.headers) is is_binary
    assert answer.headers["content-type"] == ("application/octet-stream" if is_binary else "application/json")
    np.testing.assert_array_equal(scores(answer), expected)


def test_b6_binary_in_and_json_out(http: httpx2.Client, expected: Any) -> None:
    body, headers = binary(image(RED_BLUE), RED_BLUE.tobytes(), id="7")
    answer = http.post(COLOUR, content=body, headers=headers)
    assert answer.json()["id"] == "7"
    np.testing.assert_array_equal(scores(answer), expected)


def test_b7_a_raw_body_is_the_tensor_and_the_answer_is_binary(http: httpx2.Client, expected: Any) -> None:
    raw = {"inference-header-content-length": "0"}
    answer = http.post(COLOUR, content=RED_BLUE.tobytes(), headers=raw)
    assert "inference-header-content-length" in answer.headers
    np.testing.assert_array_equal(scores(answer), expected)
    assert np.argmax(scores(http.post(LENGTH, content=b"one two three four five", headers=raw))) == 1
    refused(http.post(COLOUR, content=RED_BLUE.tobytes()[1:], headers=raw), 400, "192 bytes a row")
    refused(http.post(COLOUR, content=b"", headers=raw), 400)
    refused(http.post(LENGTH, content=b"\xff", headers=raw), 400, "UTF-8")


def test_c1_c5_classes_are_score_index_label(http: httpx2.Client) -> None:
    rows = pixels((255, 0, 0), (0, 0, 0))
    outputs = [{"name": "scores", "parameters": {"classification": 2}}]
    (output,) = http.post(COLOUR, json={"inputs": [image(rows)], "outputs": outputs}).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    assert output["data"] == ["0.999909:0:red", "0.000045:1:green", "0.333333:0:red", "0.333333:1:green"]


def test_c2_more_classes_than_there_are_give_all_and_none_the_scores(http: httpx2.Client, expected: Any) -> None:
    document: dict[str, Any] = {"inputs": [image(RED_BLUE)], "outputs": [{"name": "scores"}]}
    document["outputs"][0]["parameters"] = {"classification": 2**40}
    assert http.post(COLOUR, json=document).json()["outputs"][0]["shape"] == [2, 3]
    document["outputs"][0]["parameters"] = {"classification": 0}
    np.testing.assert_array_equal(scores(http.post(COLOUR, json=document)), expected)
    for wrong in (-1, 1.5, "2", True):
        document["outputs"][0]["parameters"] = {"classification": wrong}
        refused(http.post(COLOUR, json=document), 400, "classification")


def test_c6_classes_come_as_bytes_too(http: httpx2.Client) -> None:
    parameters = {"classification": 1, "binary_data": True}
    document = {"inputs": [image(RED_BLUE)], "outputs": [{"name": "scores", "parameters": parameters}]}
    answer = http.post(COLOUR, json=document)
    blob = answer.content[int(answer.headers["inference-header-content-length"]) :]
    first = int.from_bytes(blob[:4], "little")
    assert blob[4 : 4 + first].endswith(b":0:red")
    assert blob[8 + first :].endswith(b":2:blue")


def test_s1_timeout_and_priority_are_taken(http: httpx2.Client, expected: Any) -> None:
    parameters = {"timeout": 5_000_000, "priority": 1, "sequence_id": 7, "sequence_start": True}
    answer = http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "parameters": parameters})
    np.testing.assert_array_equal(scores(answer), expected)
    for wrong in ({"timeout": -1}, {"timeout": 1.5}, {"timeout": "1"}, {"priority": True}):
        refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "parameters": wrong}), 400, *wrong)


def test_what_the_protocol_has_and_this_server_has_not_is_501(http: httpx2.Client) -> None:
    shared = {"shared_memory_region": "r", "shared_memory_byte_size": 384}
    tensor = {"name": "image", "shape": [2, 8, 8, 3], "datatype": "UINT8", "parameters": shared}
    refused(http.post(COLOUR, json={"inputs": [tensor]}), 501, "shared memory")
    outputs = [{"name": "scores", "parameters": shared}]
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "outputs": outputs}), 501, "shared memory")


def test_without_an_administrator_nobody_loads_or_unloads(http: httpx2.Client) -> None:
    for path in ("load", "unload"):
        for name in ("colour", "nothing"):
            for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}):
                answer = http.post(f"/v2/repository/models/{name}/{path}", headers=headers)
                refused(answer, 403, "MAXPOOL_ADMIN_KEY_FILE", "models folder")
        refused(http.post(f"/v2/repository/models/..%2f..%2fetc/{path}"), 404)


def test_repository_index_lists_every_version(http: httpx2.Client) -> None:
    ready = {"version": "1", "state": "READY", "reason": ""}
    expected = [{"name": "colour", **ready}, {"name": "length", **ready}]
    for body in (b"", b"{}", b'{"ready": true}', b'{"ready": false}'):
        assert http.post("/v2/repository/index", content=body).json() == expected
    for wrong in (b"[]", b'{"ready": 1}', b"{", b"[" * 250_000, b'{"ready":' * 60_000):
        assert http.post("/v2/repository/index", content=wrong).status_code in (400, 413)


def test_statistics_count_over_all_worker_processes(http: httpx2.Client, tiny_url: str) -> None:
    def now() -> Any:
        (stats,) = http.get("/v2/models/colour/versions/1/stats").json()["model_stats"]
        return stats

    before = now()
    for _ in range(10):
        httpx2.post(f"{tiny_url}{COLOUR}", json={"inputs": [image(RED_BLUE)]})
    for _ in range(3):
        httpx2.post(f"{tiny_url}{COLOUR}", json={"inputs": []})
    after = now()
    assert (after["name"], after["version"]) == ("colour", "1")
    assert after["inference_count"] - before["inference_count"] == 20
    assert after["execution_count"] - before["execution_count"] == 10
    grown = {
        stage: (
            after["inference_stats"][stage]["count"] - before["inference_stats"][stage]["count"],
            after["inference_stats"][stage]["ns"] - before["inference_stats"][stage]["ns"],
        )
        for stage in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    }
    assert {stage: count for stage, (count, _) in grown.items()} == {
        "success": 10,
        "fail": 3,
        "queue": 10,
        "compute_input": 10,
        "compute_infer": 10,
        "compute_output": 10,
    }
    assert all(ns > 0 for _, ns in grown.values())
    assert grown["success"][1] >= grown["compute_infer"][1]
    pairs = {each["batch_size"]: each["compute_infer"]["count"] for each in after["batch_stats"]}
    assert pairs[2] >= 10
    assert abs(after["last_inference"] / 1e3 - time.time()) < 60
    everything = http.get("/v2/models/stats").json()["model_stats"]
    assert [each["name"] for each in everything] == ["colour", "length"]


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_requests_are_taken(http: httpx2.Client, encoding: str, encode: Any, expected: Any) -> None:
    headers = {"content-encoding": encoding}
    as_json = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    np.testing.assert_array_equal(scores(http.post(COLOUR, content=encode(as_json), headers=headers)), expected)
    body, frame = binary(image(RED_BLUE), RED_BLUE.tobytes())
    np.testing.assert_array_equal(scores(http.post(COLOUR, content=encode(body), headers=headers | frame)), expected)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br, deflate;q=0.5, gzip;q=0", "deflate"), ("br", None), ("", None)],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_long_answers_are_compressed_as_accepted(
    http: httpx2.Client, accept: str, encoding: str | None, as_bytes: bool
) -> None:
    rows = np.random.default_rng(2).integers(0, 256, (32, 8, 8, 3), np.uint8)
    outputs = [{"name": "scores", "parameters": {"classification": 3, "binary_data": as_bytes}}]
    headers = {"accept-encoding": accept}
    answer = http.post(COLOUR, json={"inputs": [image(rows)], "outputs": outputs}, headers=headers)
    assert answer.headers.get("content-encoding") == encoding
    plainly = http.post(
        COLOUR, json={"inputs": [image(rows)], "outputs": outputs}, headers={"accept-encoding": "identity"}
    )
    assert answer.content == plainly.content  # httpx has decoded it
    assert answer.headers.get("inference-header-content-length") == plainly.headers.get(
        "inference-header-content-length"
    )
