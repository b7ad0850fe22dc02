"""POST /v1/models/{name}/inspect, as a page or a client asks for it."""

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from service.images import open_picture
from service.spec import ImageInput, read_spec
from tests.conftest import ROOT, encode, plain, serving
from tests.service.keyholders import MONITOR, PAINTER, write_keys

MODELS = ROOT / "models"
GOLDEN = MODELS / "convnetjs-cifar10" / "1" / "golden"
SHIP = (GOLDEN / "ship.png").read_bytes()
CONVNETJS, LENET, TEXT = "convnetjs-cifar10", "lenet5-mnist", "textcnn-mr"
SENTENCE = "a great film, but it is too long"


@pytest.fixture(scope="module")
def http(service_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service_url, timeout=30) as client:
        yield client


def inspect(http: httpx2.Client, name: str, content: bytes = SHIP, kind: str = "image/png", **query: Any) -> Any:
    for _ in range(30):
        answer = http.post(f"/v1/models/{name}/inspect", params=query, content=content, headers={"content-type": kind})
        if answer.status_code != 503:
            break
        time.sleep(int(answer.headers["retry-after"]))  # another one is under way still
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(uri: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_summary_has_every_layer_in_numbers_and_no_pixels(http: httpx2.Client) -> None:
    said = inspect(http, CONVNETJS)
    predicted = http.post(f"/v1/models/{CONVNETJS}/predict", content=SHIP).json()["predictions"][0]
    assert [round(each["score"], 6) for each in said["prediction"]["top"]] == [
        each["score"] for each in predicted["top"]
    ]
    assert said["prediction"]["input"] == predicted["input"]
    assert (said["method"], said["kind"]) == ("flatten_fc", "image")
    assert said["methods"] == ["cam", "switches", "filters", "occlusion"]
    assert [layer["id"] for layer in said["layers"]][:3] == ["convolution1", "max1", "convolution2"]
    assert sum(layer["parameters"] for layer in said["layers"]) == 22_466
    assert not any("sheet" in layer or "values" in layer for layer in said["layers"])
    assert not {"cam", "switches", "filters", "words", "occlusion"} & said.keys()


def test_layers_have_sheets_whose_numbers_are_those_of_the_arrays(http: httpx2.Client) -> None:
    ids = "max3,convolution1"
    said = inspect(http, CONVNETJS, layers=ids, methods="cam,switches")
    assert [layer["id"] for layer in said["layers"]] == ["convolution1", "max3"]
    answer = http.post(
        f"/v1/models/{CONVNETJS}/inspect",
        params={"layers": ids, "format": "npz", "methods": "cam,switches"},
        content=SHIP,
    )
    assert answer.headers["content-type"] == "application/x-npz"
    arrays = np.load(io.BytesIO(answer.content))
    assert set(arrays) == {"convolution1", "max3", "scores", "logits", "image", "cam", "max3.winners"}
    for layer in said["layers"]:
        values, sheet = arrays[layer["id"]], layer["sheet"]
        assert list(values.shape) == layer["shape"]
        assert layer["max"] == pytest.approx(float(values.max()))
        assert layer["zeros"] == pytest.approx(float((values == 0).mean()), abs=1e-6)
        assert sum(layer["histogram"]) == values.size
        places = opened(sheet["png"])
        assert places.shape == (sheet["height"], sheet["width"])
        for channel in (0, len(values) - 1):
            left = sheet["gutter"] + channel % sheet["columns"] * (sheet["cell"][1] + sheet["gutter"])
            top = sheet["gutter"] + channel // sheet["columns"] * (sheet["cell"][0] + sheet["gutter"])
            shown = places[top : top + layer["height"], left : left + layer["width"]].astype(float)
            np.testing.assert_allclose((shown - 128) / 127 * sheet["high"], values[channel], atol=sheet["high"] / 250)
    np.testing.assert_allclose(np.array(said["cam"]["values"]), arrays["cam"])
    (switches,) = said["switches"]
    assert switches["layer"] == "max3"
    assert switches["nothing"] == pytest.approx(float((arrays["max3.winners"] < 0).mean()), abs=1e-6)
    assert switches["kept"] + switches["lost"] <= 1
    assert opened(switches["sheet"]["png"]).shape == (switches["sheet"]["height"], switches["sheet"]["width"])


def test_numbers_of_one_channel_show_the_window_and_its_winner(http: httpx2.Client) -> None:
    said = inspect(
        http, CONVNETJS, layers="convolution1,max1", channels="3:4", format="json", methods="switches"
    )  # fmt: skip
    before, after = (np.array(layer["values"]["rows"]) for layer in said["layers"])
    assert (before.shape, after.shape) == ((32, 32), (16, 16))
    winners = np.array(said["switches"][0]["winners"]["rows"])
    live = winners >= 0
    assert live.any()
    np.testing.assert_array_equal(before.ravel()[winners[live]], after[live])
    assert (after[~live] == 0).all()


def test_what_the_net_saw_is_upright_on_the_background(http: httpx2.Client) -> None:
    turned = Image.new("RGB", (64, 32), "red")
    turned.paste("blue", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    encoded = encode(turned, "JPEG", exif=exif)
    spec = read_spec(MODELS / CONVNETJS / "1" / "model.json").input
    assert isinstance(spec, ImageInput)
    for picture in (encoded, encode(Image.new("RGBA", (40, 40), (0, 255, 0, 0)))):
        seen = opened(inspect(http, CONVNETJS, picture, layers="none")["input"]["png"])
        np.testing.assert_array_equal(seen, open_picture(picture).decode(spec))
    upright = opened(inspect(http, CONVNETJS, encoded, layers="none")["input"]["png"])
    assert upright[2, 16, 2] > 200
    assert upright[29, 16, 0] > 200


@pytest.mark.parametrize("target", ["cat", "3"])
def test_another_class_is_explained_on_request(http: httpx2.Client, target: str) -> None:
    said = inspect(http, CONVNETJS, target=target, methods="cam", layers="none")
    assert said["target"]["label"] == "cat"
    assert said["prediction"]["label"] == "ship"
    assert said["cam"]["logit"] == said["target"]["logit"]
    assert said["layers"] == []


def test_every_method_of_a_model_is_given_for_all(http: httpx2.Client) -> None:
    for name in (CONVNETJS, LENET, "resnet20-cifar10", "resnet20-cifar10-int8"):
        said = inspect(http, name, methods="all", palette="dark")
        assert set(said["methods"]) <= said.keys()
        if "cam" in said:
            assert said["cam"]["error"] < 1e-4 * max(1, abs(said["cam"]["logit"]))
        low = said["occlusion"]["low"]
        assert np.abs(said["occlusion"]["values"]).max() == pytest.approx(-low)
        assert opened(said["filters"]["sheet"]["png"]).ndim == (2 if name == LENET else 3)


def test_a_sentence_is_taken_apart_word_by_word(http: httpx2.Client) -> None:
    said = inspect(http, TEXT, SENTENCE.encode(), "text/plain", methods="all", layers="conv3,pool3")
    assert said["input"]["tokens"] == SENTENCE.replace(",", " ,").split()
    assert said["methods"] == ["words", "occlusion"]
    assert said["words"]["error"] < 1e-4
    conv3 = said["layers"][0]
    assert (conv3["input"], conv3["parameters"], conv3["channels"]) == ("sentence", 90_100, 100)
    assert conv3["sheet"]["columns"] == 1
    same = http.post(f"/v1/models/{TEXT}/inspect", params={"methods": "words"}, json={"inputs": SENTENCE}).json()
    assert same["words"]["words"] == said["words"]["words"]


def test_a_version_can_be_named(http: httpx2.Client) -> None:
    assert http.post(f"/v1/models/{CONVNETJS}/versions/1/inspect", content=SHIP).json()["version"] == "1"
    assert http.post(f"/v1/models/{CONVNETJS}/versions/7/inspect", content=SHIP).status_code == 404


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("layers=nix", "expected of convolution1, max1"),
        ("layers=", "expected ids"),
        ("layers=" + ",".join(f"x{n}" for n in range(9)), "no layer"),
        ("layers=max1&channels=3:99", "has 16: expected a:b"),
        ("layers=max1&channels=4:4", "0 <= a < b <= 16"),
        ("layers=max1&channels=-1:4", "expected a:b"),
        ("layers=max1&channels=1", "expected a:b"),
        ("layers=max1&format=json", "channels=a:a+1"),
        ("methods=words", "expected of cam, switches, filters, occlusion"),
        ("methods=nix", "expected of cam"),
        ("target=elephant", "expected one"),
        ("target=10", "index below 10"),
        ("target=0000000001", "expected one"),
        ("palette=pink", "light or dark"),
        ("scale=0", "layer or map"),
        ("format=xml", "sheets or json or npz"),
        ("format=npz", "layers=<ids"),
        ("top_k=0", "from 1"),
        ("colour=red", "expected of target, layers"),
        ("&".join(f"a{n}=1" for n in range(40)), "can not be read"),
        ("target=%ff", "expected one"),
    ],
)
def test_a_question_that_can_not_be_answered_says_what_can(http: httpx2.Client, query: str, remedy: str) -> None:
    answer = http.post(f"/v1/models/{CONVNETJS}/inspect?{query}", content=SHIP)
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidInput"), answer.text
    assert remedy in answer.json()["error"]


@pytest.mark.parametrize(
    ("name", "content", "kind", "status"),
    [
        (CONVNETJS, b"no picture", "image/png", 400),
        (CONVNETJS, b"", "image/png", 400),
        (CONVNETJS, SENTENCE.encode(), "text/plain", 415),
        (TEXT, SHIP, "image/png", 415),
        (TEXT, b"   ", "text/plain", 400),
        (TEXT, b"\xff\xfe", "text/plain", 400),
        (TEXT, b'{"inputs": ["a", "b"]}', "application/json", 400),
        (TEXT, b'{"inputs": []}', "application/json", 400),
        (TEXT, b'{"inputs": [3]}', "application/json", 400),
        (TEXT, b"a" * 3000, "text/plain", 413),
        ("nix", SHIP, "image/png", 404),
    ],
)
def test_a_bad_input_is_refused_as_predict_does(
    http: httpx2.Client, name: str, content: bytes, kind: str, status: int
) -> None:
    answer = http.post(f"/v1/models/{name}/inspect", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error", "reason"}
    if status != 404 and b"inputs" not in content:
        asked = http.post(f"/v1/models/{name}/predict", content=content, headers={"content-type": kind})
        assert asked.json() == answer.json()


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(http: httpx2.Client) -> None:
    answer = http.post(f"/v1/models/{CONVNETJS}/inspect", content=encode(Image.new("L", (5000, 5000))))
    assert answer.status_code == 413
    assert answer.json()["reason"] == "InputTooLarge"


def test_a_deadline_and_an_id_are_the_request_s(http: httpx2.Client) -> None:
    headers = {"x-request-id": "look-1", "x-request-timeout-ms": "1"}
    answer = http.post("/v1/models/resnet20-cifar10/inspect?methods=all", content=SHIP, headers=headers)
    assert answer.headers["x-request-id"] == "look-1"
    assert answer.status_code in (503, 504)
    assert answer.json()["reason"] in ("DeadlineExceeded", "Overloaded")


def test_inspections_are_counted_apart_from_predictions(http: httpx2.Client) -> None:
    def counted(name: str) -> float:
        lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith(name)]
        return sum(float(line.split()[-1]) for line in lines if 'model="lenet5-mnist"' in line)

    digit = (MODELS / LENET / "1" / "golden" / "digit-3.png").read_bytes()
    before = counted("maxpool_inspections_total"), counted("maxpool_requests_total")
    inspect(http, LENET, digit)
    assert counted("maxpool_inspections_total") == before[0] + 1
    assert counted("maxpool_requests_total") == before[1]


def test_openapi_has_the_routes_with_examples_that_work(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    operation = paths["/v1/models/{name}/inspect"]["post"]
    assert "/v1/models/{name}/versions/{version}/inspect" in paths
    assert {"target", "layers", "channels", "methods"} <= {each["name"] for each in operation["parameters"]}
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    for name, example in examples.items():
        assert http.post(f"/v1/models/{name}/inspect", json=example["value"]).status_code == 200


def test_a_key_is_for_its_models_and_the_route_can_be_closed(tiny_models: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.toml")
    with serving(models=tiny_models, workers=1, keys_file=keys) as url:
        where = f"{url}/v1/models/colour/inspect"
        assert httpx2.post(where, content=plain("red")).status_code == 401
        assert httpx2.post(where, content=plain("red"), headers=MONITOR).status_code == 403
        answer = httpx2.post(where, content=plain("red"), headers=PAINTER).json()
        assert answer["prediction"]["label"] == "red"
    with serving(models=tiny_models, workers=1, inspect=0) as url:
        closed = httpx2.post(f"{url}/v1/models/colour/inspect", content=plain("red"))
        assert (closed.status_code, closed.json()["reason"]) == (404, "NotFound")
        assert "/v1/models/{name}/inspect" not in httpx2.get(f"{url}/openapi.json").json()["paths"]
