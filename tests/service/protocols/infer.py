"""Infer requests as a client would write them, and what an answer holds."""

import json
import struct
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt

COLOUR = "/v2/models/colour/infer"
LENGTH = "/v2/models/length/infer"
Pixels = npt.NDArray[np.uint8]


def pixels(*colours: tuple[int, int, int]) -> Pixels:
    """N x 8 x 8 x 3."""
    return np.array([np.full((8, 8, 3), colour) for colour in colours], np.uint8)


RED_BLUE = pixels((250, 10, 3), (1, 2, 200))


def image(rows: Pixels, **fields: Any) -> dict[str, Any]:
    tensor = {"name": "image", "shape": list(rows.shape), "datatype": "UINT8", "data": rows.ravel().tolist()}
    return {**tensor, **fields}


def sentence(*sentences: str, **fields: Any) -> dict[str, Any]:
    return {"name": "sentence", "shape": [len(sentences)], "datatype": "BYTES", "data": list(sentences), **fields}


def framed(document: dict[str, Any], blob: bytes) -> tuple[bytes, dict[str, str]]:
    """A body of JSON and a blob, and the header that says where the one ends."""
    head = json.dumps(document).encode()
    return head + blob, {"inference-header-content-length": str(len(head))}


def binary(tensor: dict[str, Any], blob: bytes, size: object = None, **fields: Any) -> tuple[bytes, dict[str, str]]:
    """A request whose one input comes as bytes. `size`: what to claim, if not the truth."""
    given = {name: value for name, value in tensor.items() if name != "data"}
    given["parameters"] = {"binary_data_size": len(blob) if size is None else size}
    return framed({"inputs": [given], **fields}, blob)


def serialized(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def scores(answer: httpx2.Response) -> npt.NDArray[np.float32]:
    """N x K, whether the answer has them as JSON or as bytes."""
    assert answer.status_code == 200, answer.text
    head = answer.content
    length = answer.headers.get("inference-header-content-length")
    blob = b""
    if length is not None:
        head, blob = head[: int(length)], head[int(length) :]
    (output,) = json.loads(head)["outputs"]
    assert (output["name"], output["datatype"]) == ("scores", "FP32")
    if length is None:
        return np.array(output["data"], np.float32).reshape(output["shape"])
    assert output["parameters"]["binary_data_size"] == len(blob)
    assert "data" not in output
    return np.frombuffer(blob, "<f4").reshape(output["shape"])


def refused(answer: httpx2.Response, status: int, *words: str) -> None:
    """The status, and {"error": text, "reason": …} with these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error", "reason"}
    for word in words:
        assert word in answer.json()["error"]
