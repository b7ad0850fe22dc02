"""Requests of every kind that clients send, good and bad: all committed models, several dialects, formats and sizes."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.bodies import SENTENCE, photo
from benchmarks.known import binary
from benchmarks.load import post

PICTURES = {"lenet5-mnist": 28, "convnetjs-cifar10": 32, "resnet20-cifar10": 32, "resnet20-cifar10-int8": 32}  # sides
SENTENCES = ("textcnn-mr", "textcnn-trec")
MANY = (2, 3, 4, 6, 8, 12, 16, 24, 32)
FORMATS = (("PNG", "RGB"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P"), ("PNG", "RGBA"), ("PNG", "L"))
SIDES = (8, 28, 32, 40, 57)
LARGE = (128, 300)
TURNS = 40  # how often single inputs come for each time that the many and the large do
FEWER_TURNS = 10  # of nets that take ten times as long as the others


@dataclass(frozen=True)
class Case:
    what: str
    request: bytes
    status: int


def mix(url: str) -> list[Case]:
    """In an order that is always the same, and mixed."""
    single = [*pictures(url), *sentences(url), *bad(url)]
    slow = [case for case in single if case.what.startswith("resnet20")]
    quick = [case for case in single if case not in slow]
    cases = [*quick * TURNS, *slow * FEWER_TURNS, *several(url), *large(url)]
    order = np.random.default_rng(0).permutation(len(cases))
    return [cases[at] for at in order]


def picture(side: int, seed: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + seed % 5, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(encoded, kind)
    return encoded.getvalue()


def sentence(words: int) -> str:
    known = SENTENCE.split()
    return " ".join(known[at * 7 % len(known)] for at in range(words))


def as_json(url: str, path: str, document: object) -> bytes:
    return post(f"{url}{path}", json.dumps(document).encode(), {"content-type": "application/json"})


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pictures(url: str) -> Iterator[Case]:
    for model, side in PICTURES.items():
        for turn, (kind, mode) in enumerate(FORMATS):
            body = picture(SIDES[turn % len(SIDES)], turn, kind, mode)
            request = post(f"{url}/v1/models/{model}/predict", body, {"content-type": f"image/{kind.lower()}"})
            yield Case(f"{model}, {kind} {mode}", request, 200)
        small = picture(side, 7)
        yield Case(
            f"{model}, KServe v1", as_json(url, f"/v1/models/{model}:predict", {"instances": [text(small)]}), 200
        )
        yield Case(f"{model}, Hugging Face", post(f"{url}/models/{model}", small, {}), 200)
        yield Case(f"{model}, TorchServe", post(f"{url}/predictions/{model}", small, {}), 200)
        yield Case(f"{model}, OIP, binary", tensor(url, model, side, 1), 200)


def tensor(url: str, model: str, side: int, rows: int) -> bytes:
    channels = 1 if model == "lenet5-mnist" else 3
    pixels = np.random.default_rng(rows).integers(0, 256, (rows, side, side, channels), np.uint8)
    path, body, headers = binary(model, pixels)
    return post(f"{url}{path}", body, headers)


def sentences(url: str) -> Iterator[Case]:
    for model in SENTENCES:
        for words in (1, 3, 9, 18, 40, 90, 180):
            request = post(f"{url}/v1/models/{model}/predict", sentence(words).encode(), {"content-type": "text/plain"})
            yield Case(f"{model}, {words} words", request, 200)
        given = {"name": "sentence", "shape": [1], "datatype": "BYTES", "data": [sentence(12)]}
        yield Case(f"{model}, OIP", as_json(url, f"/v2/models/{model}/infer", {"inputs": [given]}), 200)
        yield Case(f"{model}, Hugging Face", as_json(url, f"/models/{model}", {"inputs": sentence(8)}), 200)


def bad(url: str) -> Iterator[Case]:
    native = f"{url}/v1/models/lenet5-mnist/predict"
    good = picture(28, 0)
    yield Case("no picture", post(native, b"none", {"content-type": "image/png"}), 400)
    yield Case("half a picture", post(native, good[: len(good) // 2], {"content-type": "image/png"}), 400)
    yield Case("broken JSON", post(native, b'{"inputs": [', {"content-type": "application/json"}), 400)
    yield Case("nothing", post(native, b"", {"content-type": "image/png"}), 400)
    yield Case("another type", post(native, good, {"content-type": "text/plain"}), 415)
    yield Case("no such model", post(f"{url}/v1/models/none/predict", good, {"content-type": "image/png"}), 404)
    yield Case("too many", as_json(url, "/v1/models/textcnn-mr/predict", {"inputs": ["a"] * 129}), 413)
    yield Case("too long", as_json(url, "/v1/models/textcnn-mr/predict", {"inputs": "a" * 3000}), 413)
    yield Case("no timeout", post(native, good, {"content-type": "image/png", "x-request-timeout-ms": "soon"}), 400)
    yield Case("a wrong shape", tensor(url, "lenet5-mnist", 5, 1), 400)


def several(url: str) -> Iterator[Case]:
    """In one request; of some one input is bad, for which the answer has a place."""
    for rows in MANY:
        for model, side in PICTURES.items():
            if rows <= 8 or model != "resnet20-cifar10":
                yield Case(f"{model}, binary x {rows}", tensor(url, model, side, rows), 200)
            inputs = [text(picture(side, seed)) for seed in range(rows)]
            inputs[rows // 2] = text(b"none")
            request = as_json(url, f"/v1/models/{model}/predict", {"inputs": inputs})
            yield Case(f"{model} x {rows}, one bad", request, 200)
        for model in SENTENCES:
            inputs = [sentence(1 + at * 5 % 37) for at in range(rows)]
            yield Case(f"{model} x {rows}", as_json(url, f"/v1/models/{model}/predict", {"inputs": inputs}), 200)


def large(url: str) -> Iterator[Case]:
    for seed, model in enumerate(PICTURES):
        native = f"{url}/v1/models/{model}/predict"
        yield Case(f"{model}, photo", post(native, photo(seed), {"content-type": "image/jpeg"}), 200)
        for side in LARGE:
            yield Case(f"{model}, {side} pixels", post(native, picture(side, seed), {"content-type": "image/png"}), 200)
