"""A model whose scores are its input, so that an answer proves to whose request it belongs, and its version with it.

N x 2 x 2 x 3 uint8 -> N x 13: each byte over 255, and the version over 1000. A row whose first byte is 255 has scores
that are no numbers: the graph fails on it, and with it the run that it is part of.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

NAME = "mirror"
SHAPE = (2, 2, 3)
BYTES = 12
POISON = 255  # as the first byte
LABELS = (*(f"byte {at}" for at in range(BYTES)), "version")
VERSIONS = 1000
BALLAST = 512 * 1024  # weights that do nothing: 2 MiB, so that a session that is not given back is seen
OPSET, IR = 20, 10

Pixels = npt.NDArray[np.uint8]  # 2 x 2 x 3


def graph(version: int) -> bytes:
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["values"], ["bytes"]),
        helper.make_node("Div", ["bytes", "most"], ["parts"]),
        helper.make_node("Slice", ["bytes", "start", "end", "columns"], ["first"]),
        helper.make_node("Sub", ["most", "first"], ["left"]),
        helper.make_node("Div", ["nothing", "left"], ["naught"]),  # 0, or not a number
        helper.make_node("Mul", ["first", "nothing"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["ballast", "index"], ["weightless"], axis=0),  # 0, from what must be there for it
        helper.make_node("Sum", ["naught", "weightless", "version"], ["told"]),
        helper.make_node("Concat", ["parts", "told"], ["scores"], axis=1),
    ]
    floats = {"most": 255.0, "nothing": 0.0, "version": version / VERSIONS}
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in floats.items()]
    constants.append(numpy_helper.from_array(np.zeros(BALLAST, np.float32), "ballast"))
    whole = {"start": 0, "end": 1, "columns": 1}
    constants += [numpy_helper.from_array(np.array([value], np.int64), name) for name, value in whole.items()]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *SHAPE])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", len(LABELS)])
    made = helper.make_graph(nodes, NAME, [image], [scores], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


def write(models: Path, version: int, *, told: int | None = None) -> Path:
    """A version folder, put in place as a whole. `told`: the version in its scores, if that is to be another one."""
    told = version if told is None else told
    coming = models.parent / f".coming-{version}"
    (coming / "golden").mkdir(parents=True)
    written = graph(told)
    (coming / "model.onnx").write_bytes(written)
    spec = {
        "name": NAME,
        "version": str(version),
        "title": "Its own input",
        "task": "image-classification",
        "labels": LABELS,
        "scores": "sigmoid",
        "input": {"kind": "image", "height": 2, "width": 2, "channels": 3, "fit": "stretch", "background": "black"},
        "graph": {
            "sha256": hashlib.sha256(written).hexdigest(),
            "bytes": len(written),
            "opset": OPSET,
            "ir": IR,
        },
    }
    (coming / "model.json").write_text(json.dumps(spec))
    pixels = pixels_of(bytes(range(0, 240, 20)))
    (coming / "golden" / "pixels.png").write_bytes(png(pixels))
    rows = [{"file": "pixels.png", "scores": [*(pixels.ravel() / 255).tolist(), told / VERSIONS]}]
    (coming / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-6, "rows": rows}))
    placed = models / NAME / str(version)
    placed.parent.mkdir(parents=True, exist_ok=True)
    return coming.rename(placed)


def pixels_of(data: bytes) -> Pixels:
    return np.frombuffer(data, np.uint8).reshape(SHAPE)


def png(pixels: Pixels) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def read(scores: npt.NDArray[np.float32]) -> tuple[bytes, int]:
    """Of a row: the bytes that it was asked with, and the version that answered."""
    return np.rint(scores[:BYTES] * 255).astype(np.uint8).tobytes(), round(float(scores[BYTES]) * VERSIONS)
