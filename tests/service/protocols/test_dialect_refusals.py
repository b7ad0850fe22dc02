"""What no client should send in the other dialects: the code table's status, in each one's error shape."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.conftest import plain, serving

RED = base64.b64encode(plain("red")).decode()
BROKEN = "AAAA%%%"
NO_PICTURE = base64.b64encode(b"no picture").decode()
JSON = {"content-type": "application/json"}
ERROR_KEYS = {
    "huggingface": {"error"},
    "torchserve": {"code", "type", "message", "error"},
    "tei": {"error", "error_type"},
}
PICTURES = {
    "kserve": "/v1/models/colour:predict",
    "vertex": "/vertex/predict",
    "huggingface": "/models/colour",
    "torchserve": "/predictions/colour",
}
SENTENCES = {
    "kserve": "/v1/models/length:predict",
    "huggingface": "/models/length",
    "torchserve": "/predictions/length",
    "tei": "/predict",
}
PATHS = [(name, path) for paths in (PICTURES, SENTENCES) for name, path in paths.items()]


def body(name: str, *inputs: Any) -> Any:
    """A request of these inputs as the dialect has it."""
    if name in ("kserve", "vertex"):
        return {"instances": list(inputs)}
    if name == "torchserve":
        return {"data": inputs[0]}
    return {"inputs": [[each] for each in inputs] if name == "tei" else list(inputs)}


@pytest.fixture(scope="module")
def server(tiny_models) -> Iterator[httpx2.Client]:
    with (
        serving(
            models=tiny_models,
            workers=1,
            max_inputs=32,
            max_body_bytes=4 * 1024 * 1024,
            default_model="colour,length",
            predict_route="/vertex/predict",
        ) as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def http(server: httpx2.Client) -> Iterator[httpx2.Client]:
    """After each refusal the server is asked for something right."""
    yield server
    for name, path in PATHS:
        given = "so it goes" if path in SENTENCES.values() else RED
        assert server.post(path, json=body(name, given)).status_code == 200


def refused(name: str, answer: httpx2.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) == ERROR_KEYS.get(name, {"error", "reason"})
    for word in words:
        assert word in document["error"]


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_what_is_no_request_is_400(http: httpx2.Client, name: str, path: str) -> None:
    for wrong in (b"", b"{", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b'{"inputs": NaN}', b'{"inputs": "\\ud800"}'):
        refused(name, http.post(path, content=wrong, headers=JSON), 400, "expected")
    field = next(iter(body(name, RED)))
    for value in (None, 5, True, {}, [], [None], [5], [True], [{}], [[]], [[[]]], {"a": RED}, "", [""]):
        refused(name, http.post(path, json={field: value}), 400)


@pytest.mark.parametrize(("name", "path"), PATHS)
@pytest.mark.parametrize("before", [b"", b'{"inputs": ', b'{"instances": ', b'{"parameters": ', b'{"data": '])
def test_json_nested_100_000_deep_is_400(http: httpx2.Client, name: str, path: str, before: bytes) -> None:
    for opening in (b"[", b'{"a":', b'{"image":', b'{"content":'):
        refused(name, http.post(path, content=before + opening * 100_000, headers=JSON), 400)
        shallow = before + opening * 900 + b"1" + (b"]" if opening == b"[" else b"}") * 900 + b"}" * bool(before)
        refused(name, http.post(path, content=shallow, headers=JSON), 400)


LONG = "\x7f" * 1_000_000


@pytest.mark.parametrize(("name", "path"), [*PATHS, ("maxpool", "/v1/models/length/predict")])
def test_what_is_said_of_a_long_word_is_short(http: httpx2.Client, name: str, path: str) -> None:
    field = next(iter(body(name, RED)))
    for document in (
        {LONG: 1},
        {field: {LONG: LONG}},
        {field: [{LONG: LONG}]},
        {**body(name, RED), LONG: LONG},
        {**body(name, RED), "parameters": {LONG: LONG, "top_k": LONG, "function_to_apply": LONG}},
        {**body(name, RED), "raw_scores": LONG, "truncate": LONG},
    ):
        assert len(http.post(path, json=document).content) < 500


def test_what_is_wrong_is_told_in_the_words_of_json(http: httpx2.Client) -> None:
    for word, value in {"null": None, "number": 0.5, "boolean": True, "object": {"a": 1}}.items():
        for name, path in (("tei", "/predict"), ("maxpool", "/v1/models/length/predict")):
            refused(name, http.post(path, json={"inputs": value}), 400, f"a JSON {word}:")


@pytest.mark.parametrize(("name", "path"), PICTURES.items())
def test_broken_base64_and_what_is_no_picture_are_400(http: httpx2.Client, name: str, path: str) -> None:
    refused(name, http.post(path, json=body(name, BROKEN)), 400, "base64")
    refused(name, http.post(path, json=body(name, NO_PICTURE)), 400, "JPEG, PNG")
    if name != "torchserve":
        refused(name, http.post(path, json=body(name, RED, NO_PICTURE)), 400, " 1: ")


@pytest.mark.parametrize(("name", "path"), [each for each in PATHS if each[0] != "torchserve"])
def test_too_many_inputs_are_413(http: httpx2.Client, name: str, path: str) -> None:
    refused(name, http.post(path, json=body(name, *["x"] * 33)), 413, "33", "32")


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_body_over_the_limit_is_413(http: httpx2.Client, name: str, path: str) -> None:
    refused(name, http.post(path, content=bytes(4 * 1024 * 1024 + 1), headers=JSON), 413, "MAXPOOL_MAX_BODY_BYTES")


@pytest.mark.parametrize(("name", "path"), [each for each in PATHS if each[0] not in ("vertex", "tei")])
def test_an_unknown_model_is_404(http: httpx2.Client, name: str, path: str) -> None:
    for known in ("colour", "length"):
        path = path.replace(known, "nothing")
    refused(name, http.post(path, json=body(name, RED)), 404, "'nothing'", "colour")


@pytest.mark.parametrize("name", ["kserve", "tei"])
def test_a_content_type_that_is_not_json_s_is_415(http: httpx2.Client, name: str) -> None:
    answer = http.post(SENTENCES[name], content=b"so", headers={"content-type": "text/plain"})
    refused(name, answer, 415, "text/plain")


@pytest.mark.parametrize("name", ["kserve", "vertex"])
def test_pixels_of_another_shape_or_kind_are_400(http: httpx2.Client, name: str) -> None:
    def picture(pixel: Any, height: int = 8, width: int = 8) -> Any:
        return [[pixel] * width] * height

    for wrong in (
        picture([1, 2, 3], height=9),
        picture([1, 2, 3], width=7),
        picture([1, 2]),
        picture([0.5, 0, 0]),
        picture([256, 0, 0]),
        picture([-1, 0, 0]),
        picture(["1", "2", "3"]),
        picture([[1], [2], [3]]),
        picture(5),
        [[[1, 2, 3]] * 8] * 7 + [5],
        [{"a": 1}],
        [10**30] * 192,
        [1] * 191,
    ):
        refused(name, http.post(PICTURES[name], json={"instances": [wrong]}), 400, "instance 0: it")


@pytest.mark.parametrize("parameters", [[], "x", 5, False, ""])
@pytest.mark.parametrize("name", ["huggingface", "vertex"])
def test_parameters_that_are_no_object_are_400(http: httpx2.Client, name: str, parameters: Any) -> None:
    answer = http.post(PICTURES[name], json={**body(name, RED), "parameters": parameters})
    refused(name, answer, 400, "parameters")


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, [2], {}])
def test_a_count_that_is_none_is_400(http: httpx2.Client, value: Any) -> None:
    for name, parameter in (("huggingface", "top_k"), ("vertex", "top_k")):
        answer = http.post(PICTURES[name], json={**body(name, RED), "parameters": {parameter: value}})
        refused(name, answer, 400, parameter)


def test_tei_refuses_pairs_and_raw_scores(http: httpx2.Client) -> None:
    path = SENTENCES["tei"]
    refused("tei", http.post(path, json={"inputs": ["one", "two"]}), 400, "pair")
    refused("tei", http.post(path, json={"inputs": [["one", "two"]]}), 400, "pair")
    refused("tei", http.post(path, json={"inputs": "one", "raw_scores": True}), 400, "raw_scores")
    for field, value in (("raw_scores", 1), ("truncate", "yes")):
        refused("tei", http.post(path, json={"inputs": "one", field: value}), 400, field)


def test_torchserve_takes_one_input_and_names_its_exceptions(http: httpx2.Client) -> None:
    path = PICTURES["torchserve"]
    refused("torchserve", http.post(path, files=[("data", plain("red"))] * 2), 413, "2 inputs")
    answer = http.post(path, content=b"no picture")
    refused("torchserve", answer, 400, "not a picture")
    assert (answer.json()["code"], answer.json()["type"]) == (400, "BadRequestException")
    answer = http.post("/predictions/colour/9", content=plain("red"))
    refused("torchserve", answer, 404, "no version '9'")
    assert answer.json()["type"] == "ModelNotFoundException"
    refused("torchserve", http.post(SENTENCES["torchserve"], content=b"caf\xe9"), 400, "UTF-8")


def test_a_sentence_that_is_too_long_is_413_with_its_number(http: httpx2.Client) -> None:
    for name, path in SENTENCES.items():
        refused(name, http.post(path, json=body(name, "x" * 2001)), 413, "2,000")
