"""Each dialect's requests as its clients send them, what is wrong with them, and that the server lives on."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest

from service.protocols.kserve import read_instance
from service.spec import ImageInput
from tests.conftest import plain, serving

RED, BLUE = plain("red"), plain("blue")
LONG = "a film that goes on and on"
BOTH = "colour,length"
DEEP = b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def b64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@pytest.fixture(scope="module")
def http(tiny_models: Any) -> Iterator[httpx2.Client]:
    with (
        serving(
            models=tiny_models,
            workers=1,
            max_inputs=8,
            default_model=BOTH,
            predict_route="/vertex/predict",
            health_route="/vertex/health",
        ) as url,
        httpx2.Client(base_url=url, timeout=20) as client,
    ):
        yield client


def ok(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert "server-timing" in answer.headers
    return answer.json()


@pytest.mark.parametrize(
    "path", ["/v1/models/colour:predict", "/v1/models/colour/versions/1:predict", "/vertex/predict"]
)
@pytest.mark.parametrize(
    "instance",
    [
        {"b64": b64(RED)},
        {"image": {"b64": b64(RED)}},
        {"image_bytes": b64(RED)},
        b64(RED),
        "data:image/png;base64," + b64(RED),
        [[[255, 0, 0]] * 8] * 8,
        [255, 0, 0] * 64,
        {"content": b64(RED), "mimeType": "image/png"},
    ],
)
def test_kserve_v1_takes_pictures_in_every_form_its_clients_have(http: httpx2.Client, path: str, instance: Any) -> None:
    (scores,) = ok(http.post(path, json={"instances": [instance]}))["predictions"]
    assert len(scores) == 3
    assert scores[0] > 0.99


def test_kserve_v1_takes_sentences_and_keeps_their_order(http: httpx2.Client) -> None:
    document = {"instances": ["so it goes", {"text": LONG}], "parameters": {"top_k": 1}}
    short, long = ok(http.post("/v1/models/length:predict", json=document))["predictions"]
    assert (short[0]["label"], long[0]["label"]) == ("short", "long")


def test_kserve_v1_says_that_it_lives_and_that_a_model_is_ready(http: httpx2.Client) -> None:
    assert http.get("/").json() == {"status": "alive"}
    model = http.get("/v1/models/colour").json()
    assert (model["name"], model["ready"]) == ("colour", True)
    assert http.get("/vertex/health").status_code == 200


@pytest.mark.parametrize(
    "send",
    [
        {"content": RED, "headers": {"content-type": "image/png"}},
        {"content": RED},
        {"content": RED, "headers": {"content-type": "application/octet-stream"}},
        {"json": {"inputs": b64(RED)}},
    ],
)
def test_hugging_face_takes_a_picture_with_and_without_a_content_type(http: httpx2.Client, send: Any) -> None:
    labels = ok(http.post("/models/colour", **send))
    assert labels[0]["label"] == "red"
    assert len(labels) == 3
    assert set(labels[0]) == {"label", "score"}


def test_hugging_face_has_top_k_and_the_function_that_the_graph_has(http: httpx2.Client) -> None:
    parameters = {"top_k": 1, "function_to_apply": "softmax"}
    assert len(ok(http.post("/models/colour", json={"inputs": b64(BLUE), "parameters": parameters}))) == 1
    other = http.post("/models/colour", json={"inputs": b64(BLUE), "parameters": {"function_to_apply": "sigmoid"}})
    assert other.status_code == 400
    assert "softmax" in other.json()["error"]


def test_hugging_face_answers_sentences_in_lists(http: httpx2.Client) -> None:
    (one,) = ok(http.post("/models/length", json={"inputs": LONG, "parameters": {}}))
    assert [each["label"] for each in one] == ["long", "short"]
    two = ok(http.post("/models/length", json={"inputs": ["so it goes", LONG]}))
    assert [each[0]["label"] for each in two] == ["short", "long"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["/predictions/colour", "/predictions/colour/1"])
def test_torchserve_takes_a_file_as_it_is(http: httpx2.Client, method: str, path: str) -> None:
    best = ok(http.request(method, path, content=RED))
    assert next(iter(best)) == "red"
    assert sum(best.values()) == pytest.approx(1, abs=1e-5)


def test_torchserve_takes_a_form_and_a_text(http: httpx2.Client) -> None:
    assert next(iter(ok(http.post("/predictions/colour", files={"data": RED})))) == "red"
    curl = {"content-type": "application/x-www-form-urlencoded"}
    assert next(iter(ok(http.post("/predictions/length", content=LONG, headers=curl)))) == "long"


def test_a_grey_picture_s_pixels_need_no_axis_of_channels() -> None:
    spec = ImageInput(height=2, width=3, channels=1, fit="stretch", background="black")
    for given in ([[1, 2, 3], [4, 5, 6]], [[[1], [2], [3]], [[4], [5], [6]]], [1, 2, 3, 4, 5, 6]):
        pixels = read_instance(given, spec)
        assert isinstance(pixels, np.ndarray)
        assert (pixels.shape, pixels.ravel().tolist()) == ((2, 3, 1), [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("field", ["data", "body"])
def test_torchserve_takes_json(http: httpx2.Client, field: str) -> None:
    assert next(iter(ok(http.post("/predictions/colour", json={field: b64(RED)})))) == "red"
    assert next(iter(ok(http.post("/predictions/length", json={field: LONG})))) == "long"


def test_sagemaker_asks_the_default_model_of_the_kind(http: httpx2.Client) -> None:
    assert http.get("/ping").json() == {"status": "Healthy"}
    answer = ok(http.post("/invocations", content=RED, headers={"content-type": "image/png"}))
    assert (answer["model"], answer["predictions"][0]["label"]) == ("colour", "red")


def test_tei_answers_flat_for_one_and_in_lists_for_a_batch(http: httpx2.Client) -> None:
    for one in (LONG, [LONG]):
        assert [each["label"] for each in ok(http.post("/predict", json={"inputs": one}))] == ["long", "short"]
    two = ok(http.post("/predict", json={"inputs": [["so it goes"], [LONG]], "raw_scores": False}))
    assert [each[0]["label"] for each in two] == ["short", "long"]
    assert http.post("/predict", json={"inputs": "a" * 3000}).status_code == 413
    assert len(ok(http.post("/predict", json={"inputs": "a " * 1500, "truncate": True}))) == 2


WRONG: list[tuple[str, Any, int, str]] = [
    *(
        (path, content, 400, "JSON")
        for path in ("/v1/models/colour:predict", "/predict")
        for content in (b"", b"no json", b"[]", b'"x"', b"\xff\xfe", DEEP)
    ),
    ("/models/colour", DEEP, 400, "JSON"),
    ("/models/colour", b"", 400, "empty"),
    ("/models/colour", b"no picture", 400, "picture"),
    ("/models/colour", {"inputs": 7}, 400, "base64"),
    ("/models/colour", {"inputs": "no base64!"}, 400, "base64"),
    ("/models/colour", {"inputs": []}, 400, "empty"),
    ("/models/colour", {"nothing": 1}, 400, "inputs"),
    ("/models/colour", {"inputs": b64(RED), "parameters": 3}, 400, "parameters"),
    ("/models/colour", {"inputs": b64(RED), "parameters": {"top_k": 0}}, 400, "top_k"),
    ("/models/length", {"inputs": ["a"] * 9}, 413, "9"),
    ("/models/length", {"inputs": [1]}, 400, "input 0"),
    ("/v1/models/colour:predict", {"instances": []}, 400, "instances"),
    ("/v1/models/colour:predict", {"instances": {}}, 400, "instances"),
    ("/v1/models/colour:predict", {"instances": [{"b64": b64(RED)}] * 9}, 413, "9"),
    ("/v1/models/colour:predict", {"instances": [{"b64": b64(RED)}, {"b64": "!"}]}, 400, "instance 1"),
    ("/v1/models/colour:predict", {"instances": [{"b64": b64(RED)}, b64(b"x")]}, 400, "instance 1"),
    ("/v1/models/colour:predict", {"instances": [[[1]]]}, 400, "pixels"),
    ("/v1/models/colour:predict", {"instances": [[[[256, 0, 0]] * 8] * 8]}, 400, "pixels"),
    ("/v1/models/colour:predict", {"instances": [[[[1.5, 0, 0]] * 8] * 8]}, 400, "pixels"),
    ("/v1/models/colour:predict", {"instances": [[[1], [1, 2]]]}, 400, "pixels"),
    ("/v1/models/colour:predict", {"instances": [None]}, 400, "instance 0"),
    ("/v1/models/colour:predict", {"instances": [b64(RED)], "parameters": []}, 400, "parameters"),
    ("/v1/models/colour:predict", {"instances": [b64(RED)], "parameters": None}, 200, ""),
    ("/v1/models/colour:predict", {"instances": [b64(RED)], "parameters": [1]}, 400, "parameters"),
    ("/v1/models/colour:predict", {"instances": [b64(RED)], "unknown": 1}, 200, ""),
    ("/v1/models/length:predict", {"instances": [7]}, 400, "sentence"),
    ("/v1/models/nothing:predict", {"instances": ["a"]}, 404, "nothing"),
    ("/models/nothing", {"inputs": "a"}, 404, "nothing"),
    ("/predictions/nothing", b"x", 404, "nothing"),
    ("/predictions/colour/2", b"x", 404, "version"),
    ("/predictions/colour", b"no picture", 400, "picture"),
    ("/invocations", b"no picture", 400, "picture"),
    ("/predict", {"inputs": ["a", "b"]}, 400, "pair"),
    ("/predict", {"inputs": [["a"], 7]}, 400, "a JSON number"),
    ("/predict", {}, 400, "a JSON null"),
    ("/predict", {"inputs": "a", "raw_scores": True}, 400, "raw_scores"),
    ("/predict", {"inputs": "a", "truncate": "yes"}, 400, "truncate"),
    ("/predict", {"inputs": [["a"]] * 9}, 413, "9"),
]


@pytest.mark.parametrize(("path", "sent", "status", "word"), WRONG)
def test_what_is_wrong_is_told_and_the_server_lives_on(
    http: httpx2.Client, path: str, sent: Any, status: int, word: str
) -> None:
    answer = http.post(path, **({"content": sent} if isinstance(sent, bytes) else {"json": sent}))
    assert answer.status_code == status, answer.text
    if status != 200:
        assert word in answer.json()["error"]
        assert ("error_type" in answer.json()) == (path == "/predict")
    assert http.get("/readyz").status_code == 200


def test_the_examples_of_every_dialect_in_the_openapi_document_work(http: httpx2.Client) -> None:
    tried = 0
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for name, example in content.get("application/json", {}).get("examples", {}).items():
                if path in ("/invocations", "/vertex/predict") and name != "colour":
                    continue  # these know their model by themselves
                where = path.replace("{name}", name).replace("{version}", "1")
                assert http.request(method, where, json=example["value"]).status_code == 200, where
                tried += 1
    assert tried >= 15


def test_a_dialect_that_is_not_spoken_is_not_there(tiny_models: Any) -> None:
    with serving(models=tiny_models, workers=1, dialects="kserve") as url:
        assert httpx2.get(f"{url}/v2").status_code == 404
        assert httpx2.post(f"{url}/models/colour", content=RED).status_code == 404
        assert httpx2.get(f"{url}/ping").status_code == 404
        assert httpx2.post(f"{url}/v1/models/colour:predict", json={"instances": [b64(RED)]}).status_code == 200
        assert httpx2.post(f"{url}/v1/models/colour/predict", content=RED).status_code == 200


def test_a_path_without_a_model_where_several_could_be_meant_says_what_to_set(tiny_models: Any) -> None:
    with serving(models=tiny_models, workers=1) as url:
        answer = httpx2.post(f"{url}/invocations", content=RED)
        assert answer.status_code == 404
        assert "MAXPOOL_DEFAULT_MODEL" in answer.json()["error"]
        assert httpx2.post(f"{url}/predict", json={"inputs": LONG}).status_code == 200  # there is one for sentences
