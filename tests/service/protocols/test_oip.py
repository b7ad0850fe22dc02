"""The Open Inference Protocol over REST; a test is named after the requirement that it holds.

R: routes, M: metadata, I: infer request, P: infer response.
"""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.conftest import plain, serving, write_spoiled
from tests.service.protocols.infer import (
    COLOUR,
    LENGTH,
    RED_BLUE,
    binary,
    image,
    refused,
    scores,
    sentence,
    serialized,
)

EVERY_GET = [
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/colour",
    "/v2/models/colour/versions/1",
    "/v2/models/colour/ready",
    "/v2/models/colour/versions/1/ready",
    "/v2/models/colour/config",
    "/v2/models/colour/versions/1/config",
    "/v2/models/colour/stats",
    "/v2/models/colour/versions/1/stats",
    "/v2/models/stats",
]


@pytest.mark.parametrize("path", EVERY_GET)
def test_r_every_route_answers_json(http: httpx2.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json(), dict)


def test_r1_r2_health_satisfies_readers_of_either_key(http: httpx2.Client) -> None:
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"live": True, "ready": True}


def test_r2_not_ready_is_503_with_an_error(tmp_path: Path) -> None:
    write_spoiled(tmp_path)
    with serving(models=tmp_path, workers=1) as url:
        answer = httpx2.get(f"{url}/v2/health/ready")
        refused(answer, 503, "colour version 1")
        assert answer.headers["retry-after"]
        assert httpx2.get(f"{url}/v2/health/live").status_code == 200
        refused(httpx2.get(f"{url}/v2/models/colour/ready"), 503)
        assert httpx2.get(f"{url}/v2/models/length/ready").json() == {"name": "length", "ready": True}
        index = {each["name"]: each for each in httpx2.post(f"{url}/v2/repository/index").json()}
        assert (index["length"]["state"], index["colour"]["state"]) == ("READY", "UNAVAILABLE")
        assert "sha256" in index["colour"]["reason"] or "bytes" in index["colour"]["reason"]
        only_ready = httpx2.post(f"{url}/v2/repository/index", json={"ready": True}).json()
        assert [each["name"] for each in only_ready] == ["length"]


def test_r3_both_spellings_of_the_root_answer_without_a_redirect(http: httpx2.Client) -> None:
    assert http.get("/v2").json() == http.get("/v2/").json()


def test_r5_an_unknown_model_or_version_is_404(http: httpx2.Client) -> None:
    for path in ("/v2/models/nothing", "/v2/models/nothing/ready", "/v2/models/nothing/stats"):
        refused(http.get(path), 404, "'nothing'")
    refused(http.get("/v2/models/colour/versions/7/ready"), 404, "'7'")
    refused(http.post("/v2/models/nothing/infer", json={}), 404, "'nothing'")
    refused(http.post("/v2/models/colour/versions/7/infer", json={}), 404, "'7'")
    refused(http.get("/v2/nowhere"), 404)


def test_r6_infer_with_and_without_a_version(http: httpx2.Client, expected: Any) -> None:
    for path in (COLOUR, "/v2/models/colour/versions/1/infer"):
        np.testing.assert_array_equal(scores(http.post(path, json={"inputs": [image(RED_BLUE)]})), expected)
    wrong = http.get(COLOUR)
    refused(wrong, 405, "POST")
    assert wrong.headers["allow"] == "POST"


def test_m1_server_metadata(http: httpx2.Client) -> None:
    document = http.get("/v2").json()
    assert set(document) == {"name", "version", "extensions"}
    assert all(isinstance(document[key], str) for key in ("name", "version"))
    assert all(isinstance(extension, str) for extension in document["extensions"])


def test_m2_every_extension_listed_has_its_tests_here(http: httpx2.Client) -> None:
    tested = {"binary_tensor_data", "classification", "parameters", "statistics", "model_repository", "schedule_policy"}
    assert set(http.get("/v2").json()["extensions"]) == tested | {"model_configuration"}


def test_m4_m6_model_metadata_is_the_graph_s_signature(http: httpx2.Client) -> None:
    assert http.get("/v2/models/colour").json() == {
        "name": "colour",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}],
    }
    (given,) = http.get("/v2/models/length").json()["inputs"]
    assert given == {"name": "sentence", "datatype": "BYTES", "shape": [-1]}


def test_m5_every_version_listed_infers(http: httpx2.Client) -> None:
    for version in http.get("/v2/models/length").json()["versions"]:
        answer = http.post(f"/v2/models/length/versions/{version}/infer", json={"inputs": [sentence("so it goes")]})
        assert answer.json()["model_version"] == version


def test_model_configuration_has_the_batch_as_a_maximum(http: httpx2.Client) -> None:
    document = http.get("/v2/models/colour/config").json()
    assert document["max_batch_size"] == 32
    assert document["input"] == [{"name": "image", "data_type": "TYPE_UINT8", "dims": [8, 8, 3]}]
    length = http.get("/v2/models/length/config").json()
    assert length["max_batch_size"] == 0
    assert length["input"] == [{"name": "sentence", "data_type": "TYPE_STRING", "dims": [-1]}]


@pytest.mark.parametrize("field", ["name", "shape", "datatype", "data"])
def test_i1_each_field_of_an_input_is_required(http: httpx2.Client, field: str) -> None:
    tensor = image(RED_BLUE)
    del tensor[field]
    refused(http.post(COLOUR, json={"inputs": [tensor]}), 400, "expected")


def test_i2_the_id_comes_back_unchanged(http: httpx2.Client) -> None:
    for given in ("", "42", "ünï 🙂", "x" * 1000):
        answer = http.post(COLOUR, json={"id": given, "inputs": [image(RED_BLUE)]})
        assert answer.json()["id"] == given
    assert "id" not in http.post(COLOUR, json={"inputs": [image(RED_BLUE)]}).json()
    refused(http.post(COLOUR, json={"id": 42, "inputs": [image(RED_BLUE)]}), 400, "id")


def test_i3_outputs_absent_empty_or_named(http: httpx2.Client, expected: Any) -> None:
    for outputs in ({}, {"outputs": []}, {"outputs": None}, {"outputs": [{"name": "scores"}]}):
        np.testing.assert_array_equal(
            scores(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], **outputs})), expected
        )
    for wrong in ([{"name": "logits"}], [{"name": "scores"}] * 2, [{}], {"name": "scores"}, ["scores"]):
        refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "outputs": wrong}), 400, "outputs", "'scores'")


def test_i4_unknown_parameters_pass_on_every_level(http: httpx2.Client, expected: Any) -> None:
    known = {"mine": "text", "other": 1.5, "flag": True}
    document = {
        "parameters": known,
        "inputs": [image(RED_BLUE, parameters=known)],
        "outputs": [{"name": "scores", "parameters": known}],
    }
    np.testing.assert_array_equal(scores(http.post(COLOUR, json=document)), expected)


@pytest.mark.parametrize("wrong", [[], "text", {"a": None}, {"a": []}, {"a": {}}])
def test_i4_parameters_are_an_object_of_plain_values(http: httpx2.Client, wrong: Any) -> None:
    refused(http.post(COLOUR, json={"parameters": wrong, "inputs": [image(RED_BLUE)]}), 400, "parameter")
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, parameters=wrong)]}), 400, "parameter")
    outputs = [{"name": "scores", "parameters": wrong}]
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE)], "outputs": outputs}), 400, "parameter")


NO_SHAPE = [2, None, [2.0, 8, 8, 3], ["2", 8, 8, 3], [True, 8, 8, 3], [[2], 8, 8, 3], [-2, 8, 8, 3], [2, -8, -8, 3]]
OVERFLOWING = [[2**64, 8, 8, 3], [2**63, 2, 8, 3], [2**62, 2**62, 8, 3]]
OTHER_SHAPE = [[], [384], [2, 192], [2, 8, 8], [2, 8, 8, 3, 1], [2, 3, 8, 8], [1, 8, 8, 3], [3, 8, 8, 3]]


@pytest.mark.parametrize("shape", [*NO_SHAPE, *OVERFLOWING, *OTHER_SHAPE])
def test_i5_shapes_that_do_not_fit_are_refused(http: httpx2.Client, shape: Any) -> None:
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, shape=shape)]}), 400, "image")


def test_i6_nested_and_flat_data_give_the_same_bits(http: httpx2.Client, expected: Any) -> None:
    nested = http.post(COLOUR, json={"inputs": [image(RED_BLUE, data=RED_BLUE.tolist())]})
    np.testing.assert_array_equal(scores(nested), expected)
    flat = http.post(LENGTH, json={"inputs": [sentence("one", "a b c d e", shape=[2, 1])]})
    column = http.post(LENGTH, json={"inputs": [sentence(shape=[2, 1], data=[["one"], ["a b c d e"]])]})
    np.testing.assert_array_equal(scores(flat), scores(column))


def test_i7_true_is_one_and_other_elements_are_refused(http: httpx2.Client) -> None:
    ones = [1] * 192
    true = scores(http.post(COLOUR, json={"inputs": [image(RED_BLUE[:1], data=[True] * 192)]}))
    np.testing.assert_array_equal(true, scores(http.post(COLOUR, json={"inputs": [image(RED_BLUE[:1], data=ones)]})))
    for wrong in (256, -1, 1.0, "1", None, [1], {}, 2**70):
        data = [*ones[:-1], wrong]
        refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE[:1], data=data)]}), 400, "0 to 255")
    for not_text in (1, None, ["a"], True):
        refused(http.post(LENGTH, json={"inputs": [sentence(data=["a", not_text], shape=[2])]}), 400, "element 1")


def test_i8_a_batch_is_answered_row_by_row(http: httpx2.Client) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    together = scores(http.post(COLOUR, json={"inputs": [image(rows)]}))
    alone = [scores(http.post(COLOUR, json={"inputs": [image(row[np.newaxis])]})) for row in rows]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


INTEGERS = ["UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"]


@pytest.mark.parametrize(
    "datatype", [*INTEGERS, "BOOL", "FP16", "FP32", "FP64", "BF16", "uint8", "STRING", None, 8, []]
)
def test_i9_a_datatype_that_the_graph_has_not_is_refused(http: httpx2.Client, datatype: Any) -> None:
    refused(http.post(COLOUR, json={"inputs": [image(RED_BLUE, datatype=datatype)]}), 400, "UINT8", "BYTES")
    refused(http.post(LENGTH, json={"inputs": [sentence("a", datatype=datatype)]}), 400, "BYTES")


@pytest.mark.parametrize(
    "media", [None, "application/json", "application/octet-stream", "application/json; charset=utf-8"]
)
def test_i10_content_types_as_clients_send_them(http: httpx2.Client, media: str | None, expected: Any) -> None:
    body = json.dumps({"inputs": [image(RED_BLUE)]}).encode()
    headers = {} if media is None else {"content-type": media}
    np.testing.assert_array_equal(scores(http.post(COLOUR, content=body, headers=headers)), expected)
    refused(http.post(COLOUR, content=body, headers={"content-type": "text/plain"}), 415, "text/plain")


def test_p1_p2_p3_p4_the_answer_describes_the_whole_batch(http: httpx2.Client) -> None:
    document = http.post(COLOUR, json={"inputs": [image(RED_BLUE)]}).json()
    assert (document["model_name"], document["model_version"]) == ("colour", "1")
    (output,) = document["outputs"]
    assert output["shape"] == [2, 3]
    assert len(output["data"]) == 6
    assert output["datatype"] == http.get("/v2/models/colour").json()["outputs"][0]["datatype"]
    assert np.argmax(np.reshape(output["data"], (2, 3)), axis=1).tolist() == [0, 2]


def test_p_json_scores_are_exact(http: httpx2.Client) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), np.uint8)
    as_json = scores(http.post(COLOUR, json={"inputs": [image(rows)]}))
    as_bytes = scores(http.post(COLOUR, json={"inputs": [image(rows)], "parameters": {"binary_data_output": True}}))
    assert as_json.tobytes() == as_bytes.tobytes()


def test_encoded_pictures_are_bytes_and_base64_in_json(http: httpx2.Client) -> None:
    encoded = [plain("red", (40, 30), "JPEG"), plain("blue")]
    tensor: dict[str, Any] = {"name": "image", "shape": [2], "datatype": "BYTES"}
    as_json = [base64.b64encode(encoded[0]).decode(), "data:image/png;base64," + base64.b64encode(encoded[1]).decode()]
    first = scores(http.post(COLOUR, json={"inputs": [{**tensor, "data": as_json}]}))
    body, headers = binary(tensor, serialized(*encoded))
    np.testing.assert_array_equal(first, scores(http.post(COLOUR, content=body, headers=headers)))
    assert np.argmax(first, axis=1).tolist() == [0, 2]
    native = http.post("/v1/models/colour/predict", content=encoded[1]).json()["predictions"][0]["score"]
    assert round(float(first[1, 2]), 6) == pytest.approx(native, abs=1e-6)


def test_one_bad_element_is_the_answer_and_is_named(http: httpx2.Client) -> None:
    tensor: dict[str, Any] = {"name": "image", "shape": [3], "datatype": "BYTES"}
    body, headers = binary(tensor, serialized(plain("red"), plain("blue"), b"no picture"))
    refused(http.post(COLOUR, content=body, headers=headers), 400, "element 2", "JPEG, PNG")
    refused(http.post(COLOUR, json={"inputs": [{**tensor, "data": ["QUJD", "%%%", ""]}]}), 400, "element 1", "base64")
    refused(http.post(LENGTH, json={"inputs": [sentence("one", " ")]}), 400, "element 1", "empty")
    refused(http.post(LENGTH, json={"inputs": [sentence("one", "word " * 1000)]}), 413, "element 1", "2,000")
    body, headers = binary(sentence("", ""), serialized(b"one", b"caf\xe9"))
    refused(http.post(LENGTH, content=body, headers=headers), 400, "element 1", "UTF-8")


def test_the_infer_examples_in_the_openapi_document_work(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path in ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"):
        examples = paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        assert set(examples) == {"colour", "length"}
        for name, example in examples.items():
            answer = http.post(path.format(name=name, version="1"), json=example["value"])
            assert answer.status_code == 200, answer.text
    for path in EVERY_GET:
        assert path.replace("colour", "{name}").replace("versions/1", "versions/{version}") in paths


def test_rows_of_many_requests_share_batches(http: httpx2.Client, tiny_models: Path) -> None:
    """Pixels of one client and pictures of another, at once: the answers are each one's own."""
    import asyncio

    async def crowd(url: str) -> list[tuple[int, int]]:
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:

            async def ask(number: int) -> tuple[int, int]:
                wanted = number % 3
                if number % 2:
                    colour = ("red", "lime", "blue")[wanted]
                    answer = await client.post("/v1/models/colour/predict", content=plain(colour))
                    return wanted, answer.json()["predictions"][0]["index"]
                row = np.zeros((1, 8, 8, 3), np.uint8)
                row[..., wanted] = 255
                body, headers = binary(image(row), row.tobytes())
                return wanted, int(np.argmax(scores(await client.post(COLOUR, content=body, headers=headers))))

            return list(await asyncio.gather(*(ask(number) for number in range(150))))

    with serving(models=tiny_models, workers=1) as url:
        for wanted, found in asyncio.run(crowd(url)):
            assert wanted == found
        stats = httpx2.get(f"{url}/v2/models/colour/stats").json()["model_stats"][0]
        assert stats["inference_count"] == 150
        assert stats["execution_count"] < 150
