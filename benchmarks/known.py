"""Inputs whose answers are known before they are asked, and how they are asked and read."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import mirror
from benchmarks.servers import ROOT
from benchmarks.wire import Answer
from service.engine.session import Session
from service.images import open_picture
from service.spec import ImageInput, read_spec

REAL = "lenet5-mnist"
BINARY = {"content-type": "application/octet-stream"}
DIGITS = 500  # inputs of the real model, no two with like answers
APART = 1e-3  # the least by which the answers to two of them differ


@dataclass(frozen=True)
class Digits:
    encoded: list[bytes]
    pixels: npt.NDArray[np.uint8]  # N x 28 x 28 x 1
    scores: npt.NDArray[np.float32]  # N x 10, each of a run alone


def make_digits() -> Digits:
    """The golden digits under noise, as many as have answers that tell them apart."""
    folder = ROOT / "models" / REAL / "1"
    given = read_spec(folder / "model.json").input
    assert isinstance(given, ImageInput)
    session = Session((folder / "model.onnx").read_bytes(), provider="cpu", folder=folder)
    plain = [open_picture(path.read_bytes()).decode(given) for path in sorted((folder / "golden").glob("*.png"))]
    noise = np.random.default_rng(0)
    pixels: list[npt.NDArray[np.uint8]] = []
    scores = np.empty((0, 10), np.float32)
    while len(pixels) < DIGITS:
        digit = plain[noise.integers(len(plain))].astype(int)
        noisy = np.clip(digit + noise.normal(scale=noise.uniform(20, 120), size=digit.shape), 0, 255).astype(np.uint8)
        alone = session.run(noisy[None])
        if not len(scores) or np.abs(scores - alone).max(1).min() > APART:
            pixels.append(noisy)
            scores = np.concatenate([scores, alone])
    return Digits([mirror.png(each[..., 0]) for each in pixels], np.stack(pixels), scores)


def shown(prediction: dict[str, list[dict[str, float]]]) -> bytes:
    scores = np.zeros(len(mirror.LABELS), np.float32)
    for each in prediction["top"]:
        scores[int(each["index"])] = each["score"]
    return mirror.read(scores)[0]


def binary(model: str, pixels: npt.NDArray[np.uint8]) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of the Open Inference Protocol."""
    size = {"binary_data_size": pixels.nbytes}
    tensor = {"name": "image", "shape": pixels.shape, "datatype": "UINT8", "parameters": size}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {**BINARY, "inference-header-content-length": str(len(head))}
    return f"/v2/models/{model}/infer", head + pixels.tobytes(), headers


def floats(answer: Answer) -> npt.NDArray[np.float32]:
    """N x K, of a binary answer."""
    document, scores = parts(answer)
    return np.frombuffer(scores, np.float32).reshape(document["outputs"][0]["shape"])


def parts(answer: Answer) -> tuple[dict[str, Any], bytes]:
    """The JSON of a binary answer, and what is behind it."""
    length = int(answer.head.partition(b"inference-header-content-length: ")[2].partition(b"\r\n")[0])
    return json.loads(answer.body[:length]), answer.body[length:]
