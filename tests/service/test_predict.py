import asyncio
import base64
import struct
import zlib
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image

from tests.conftest import encode, plain

PREDICT = "/v1/models/colour/predict"
SENTENCE = "/v1/models/length/predict"


@pytest.fixture(scope="module")
def http(tiny_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=tiny_url, timeout=20) as client:
        yield client


def b64(encoded: bytes) -> str:
    return base64.b64encode(encoded).decode()


def refused(answer: httpx2.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "reason"}
    for word in words:
        assert word in answer.json()["error"]


@pytest.mark.parametrize("headers", [{}, {"content-type": "image/png"}, {"content-type": "application/octet-stream"}])
def test_a_raw_picture_is_answered_in_full(http: httpx2.Client, headers: dict[str, str]) -> None:
    answer = http.post(PREDICT, content=plain("lime"), headers=headers)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["model"], document["version"]) == ("colour", "1")
    (prediction,) = document["predictions"]
    assert (prediction["label"], prediction["index"]) == ("green", 1)
    assert prediction["score"] == pytest.approx(0.99991, abs=1e-4)
    assert [each["label"] for each in prediction["top"]] == ["green", "red", "blue"]
    assert prediction["input"] == {"format": "PNG", "width": 8, "height": 8, "mode": "RGB", "orientation": 1}


def test_server_timing_names_decode_queue_and_infer(http: httpx2.Client) -> None:
    timing = http.post(PREDICT, content=plain("lime")).headers["server-timing"]
    assert [entry.split(";")[0] for entry in timing.split(", ")] == ["decode", "queue", "infer"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_format_is_taken(http: httpx2.Client, kind: str) -> None:
    (prediction,) = http.post(PREDICT, content=plain("blue", (40, 30), kind)).json()["predictions"]
    assert prediction["label"] == "blue"
    assert prediction["input"]["format"] == kind


def test_curl_s_default_content_type_is_sniffed(http: httpx2.Client) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert http.post(PREDICT, content=plain("red"), headers=headers).json()["predictions"][0]["label"] == "red"


def test_a_named_version_answers(http: httpx2.Client) -> None:
    assert http.post("/v1/models/colour/versions/1/predict", content=plain("red")).status_code == 200
    refused(http.post("/v1/models/colour/versions/2/predict", content=plain("red")), 404, "no version '2'")


def test_multipart_files_are_answered_in_order(http: httpx2.Client) -> None:
    files = [("file", (f"{c}.png", plain(c), "image/png")) for c in ("blue", "red", "lime")]
    predictions = http.post(PREDICT, files=files).json()["predictions"]
    assert [prediction["label"] for prediction in predictions] == ["blue", "red", "green"]


def test_one_multipart_file_is_answered_alone(http: httpx2.Client) -> None:
    assert http.post(PREDICT, files={"file": plain("red")}).json()["predictions"][0]["label"] == "red"
    refused(http.post(PREDICT, files={"file": b"nonsense"}), 400, "not a picture")


def test_json_takes_one_picture_or_many(http: httpx2.Client) -> None:
    assert http.post(PREDICT, json={"inputs": b64(plain("red"))}).json()["predictions"][0]["label"] == "red"
    many = {"inputs": [b64(plain("red")), "data:image/png;base64," + b64(plain("blue"))]}
    assert [each["label"] for each in http.post(PREDICT, json=many).json()["predictions"]] == ["red", "blue"]


def test_a_bad_picture_among_many_is_an_error_in_its_place(http: httpx2.Client) -> None:
    inputs = [b64(plain("red")), b64(b"no picture"), "%%%", b64(plain("blue"))]
    answer = http.post(PREDICT, json={"inputs": inputs})
    assert answer.status_code == 200
    first, second, third, fourth = answer.json()["predictions"]
    assert (first["label"], fourth["label"]) == ("red", "blue")
    assert second["code"] == third["code"] == 400
    assert second["reason"] == third["reason"] == "InvalidInput"
    assert "JPEG, PNG" in second["error"]
    assert "base64" in third["error"]


def test_many_pictures_of_photo_size_are_answered_in_order(http: httpx2.Client) -> None:
    colours = ["red", "lime", "blue"] * 8
    files = [("file", plain(colour, (400, 300), "JPEG")) for colour in colours]
    labels = [each["label"] for each in http.post(PREDICT, files=files).json()["predictions"]]
    assert labels == ["red", "green", "blue"] * 8


def test_a_sentence_is_answered_as_text_or_json(http: httpx2.Client) -> None:
    text = http.post(SENTENCE, content="so it goes", headers={"content-type": "text/plain; charset=utf-8"})
    assert text.json()["predictions"][0]["label"] == "short"
    assert text.json()["predictions"][0]["input"] == {"characters": 10}
    one = http.post(SENTENCE, json={"inputs": "one two three four five"})
    assert one.json()["predictions"][0]["label"] == "long"
    many = http.post(SENTENCE, json={"inputs": ["one", "one two three four five", "", "ünï çôdé 🙂"]})
    labels = [each.get("label", each.get("code")) for each in many.json()["predictions"]]
    assert labels == ["short", "long", 400, "short"]


def test_top_k_limits_the_labels(http: httpx2.Client) -> None:
    assert len(http.post(PREDICT, params={"top_k": 1}, content=plain("red")).json()["predictions"][0]["top"]) == 1
    assert len(http.post(PREDICT, params={"top_k": 99}, content=plain("red")).json()["predictions"][0]["top"]) == 3


@pytest.mark.parametrize("query", ["top_k=0", "top_k=-1", "top_k=two", "top_k=", "top_k=1.5", "topk=1"])
def test_a_wrong_query_is_refused(http: httpx2.Client, query: str) -> None:
    refused(http.post(f"{PREDICT}?{query}", content=plain("red")), 400, "top_k")


def test_a_text_file_named_jpg_is_refused(http: httpx2.Client) -> None:
    answer = http.post(PREDICT, content=b"hello, I am text", headers={"content-type": "image/jpeg"})
    refused(answer, 400, "not a picture", "JPEG, PNG, WebP or GIF")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused(http: httpx2.Client, kind: str) -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    refused(http.post(PREDICT, content=encode(noise, kind)[:-600]), 400, kind, "broken")


def test_an_empty_body_is_refused(http: httpx2.Client) -> None:
    refused(http.post(PREDICT, content=b""), 400, "empty")
    refused(http.post(SENTENCE, content=b"", headers={"content-type": "text/plain"}), 400, "empty")
    refused(http.post(PREDICT, json={"inputs": []}), 400, "no inputs")


def test_an_unknown_model_is_refused_by_name(http: httpx2.Client) -> None:
    refused(http.post("/v1/models/nothing/predict", content=plain("red")), 404, "'nothing'", "colour", "length")


def bomb(width: int, height: int) -> bytes:
    """A PNG header that promises many pixels, and a few bytes of them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_a_picture_of_400_megapixels_is_refused_from_its_header(http: httpx2.Client) -> None:
    refused(http.post(PREDICT, content=bomb(20_000, 20_000)), 413, "20000 x 20000", "pixels")
    refused(http.post(PREDICT, content=bomb(5000, 5000)), 413)


def test_a_sentence_of_a_megabyte_is_refused(http: httpx2.Client) -> None:
    refused(http.post(SENTENCE, json={"inputs": "word " * 200_000}), 413, "1,000,000", "2,000")


def test_invalid_utf8_and_lone_surrogates_are_refused(http: httpx2.Client) -> None:
    text = {"content-type": "text/plain"}
    refused(http.post(SENTENCE, content=b"caf\xe9", headers=text), 400, "UTF-8", "byte 3")
    json_type = {"content-type": "application/json"}
    refused(http.post(SENTENCE, content=b'{"inputs": "\\ud800"}', headers=json_type), 400)
    refused(http.post(SENTENCE, content=b'{"inputs": "caf\xe9"}', headers=json_type), 400)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b'{"input": "x"}', b'{"inputs": 5}', b"{}", b"[" * 100_000])
def test_broken_json_and_wrong_fields_are_refused(http: httpx2.Client, body: bytes) -> None:
    for path in (PREDICT, SENTENCE):
        refused(http.post(path, content=body, headers={"content-type": "application/json"}), 400, "expected")


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\nhello", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello"]
)
def test_broken_multipart_is_refused(http: httpx2.Client, body: bytes) -> None:
    refused(http.post(PREDICT, content=body, headers={"content-type": "multipart/form-data; boundary=x"}), 400)
    refused(http.post(PREDICT, content=body, headers={"content-type": "multipart/form-data"}), 400)


def test_a_content_type_that_is_not_taken_is_named(http: httpx2.Client) -> None:
    refused(http.post(PREDICT, content=b"x", headers={"content-type": "text/plain"}), 415, "text/plain", "image/png")
    refused(http.post(SENTENCE, content=b"x", headers={"content-type": "image/png"}), 415, "image/png", "text/plain")


def test_the_body_limit_is_exact(http: httpx2.Client) -> None:
    limit = 4 * 1024 * 1024
    padded = plain("red") + bytes(limit - len(plain("red")))
    assert http.post(PREDICT, content=padded).status_code == 200
    refused(http.post(PREDICT, content=padded + b"x"), 413, "4,194,304", "MAXPOOL_MAX_BODY_BYTES")
    refused(http.post(PREDICT, content=iter([padded, b"x"])), 413)


def test_too_many_inputs_are_refused(http: httpx2.Client) -> None:
    assert http.post(SENTENCE, json={"inputs": ["word"] * 32}).status_code == 200
    refused(http.post(SENTENCE, json={"inputs": ["word"] * 33}), 413, "33", "32")


def test_wrong_routes_and_methods_answer_in_the_same_form(http: httpx2.Client) -> None:
    refused(http.get("/nothing/here"), 404, "/nothing/here")
    wrong = http.get(PREDICT)
    refused(wrong, 405, "POST")
    assert wrong.headers["allow"] == "POST"


def test_a_rotated_photo_is_turned_upright(http: httpx2.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = encode(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    (prediction,) = http.post(PREDICT, content=encoded).json()["predictions"]
    assert prediction["input"]["orientation"] == 6


def test_the_models_are_listed_and_described(http: httpx2.Client) -> None:
    listed = http.get("/v1/models").json()["models"]
    assert [(m["name"], m["version"], m["status"], m["provider"]) for m in listed] == [
        ("colour", "1", "ready", "cpu"),
        ("length", "1", "ready", "cpu"),
    ]
    colour = http.get("/v1/models/colour").json()
    assert colour["labels"] == ["red", "green", "blue"]
    assert colour["spec"]["input"]["height"] == 8
    assert http.get("/v1/models/colour/versions/1").json() == colour
    refused(http.get("/v1/models/nothing"), 404, "nothing")


def test_health_and_readiness(http: httpx2.Client) -> None:
    assert http.get("/healthz").json() == {"status": "live"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_the_examples_in_the_openapi_document_work(http: httpx2.Client) -> None:
    operation = http.get("/openapi.json").json()["paths"]["/v1/models/{name}/predict"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"colour", "length"}
    for name, example in examples.items():
        assert http.post(f"/v1/models/{name}/predict", json=example["value"]).status_code == 200
    assert http.get("/docs").status_code == 200


def test_the_document_has_no_status_that_nobody_gets(http: httpx2.Client) -> None:
    document = http.get("/openapi.json").json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) > 40
    assert not any("422" in operation["responses"] for operation in operations)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_metrics_count_over_all_worker_processes(http: httpx2.Client, tiny_url: str) -> None:
    def counted() -> float:
        lines = http.get("/metrics").text.splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("maxpool_requests_total") and 'code="200"' in line and 'model="colour"' in line
        )

    before = counted()
    for _ in range(20):
        httpx2.post(f"{tiny_url}{PREDICT}", content=plain("red"))
    assert counted() == before + 20


def test_answers_do_not_mix_under_a_crowd(tiny_url: str) -> None:
    async def crowd() -> list[tuple[str, str]]:
        async with httpx2.AsyncClient(base_url=tiny_url, timeout=30) as http:

            async def ask(number: int) -> tuple[str, str]:
                colour = ("red", "lime", "blue")[number % 3]
                size = (8, 8) if number % 2 else (200, 100)
                answer = await http.post(PREDICT, content=plain(colour, size))
                return colour.replace("lime", "green"), answer.json()["predictions"][0]["label"]

            return list(await asyncio.gather(*(ask(number) for number in range(200))))

    for expected, found in asyncio.run(crowd()):
        assert expected == found
