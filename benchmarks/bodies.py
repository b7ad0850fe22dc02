"""What is sent: digits, sentences, and photos of about 65 kB, all our own."""

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.servers import ROOT
from service.engine.rows import read_row, stack
from service.engine.session import Rows
from service.spec import ModelSpec, read_spec

PHOTOS = 8
SENTENCE = "a film so warm and clever that one forgives its many slow and rather silly turns in the last act"


@dataclass(frozen=True)
class Workload:
    title: str
    model: Path  # a version folder
    bodies: list[bytes]
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return f"/v1/models/{self.model.parent.name}/predict"

    @property
    def spec(self) -> ModelSpec:
        return read_spec(self.model / "model.json")

    def rows(self) -> Rows:
        """What the graph takes, for the ceilings."""
        spec = self.spec
        text = spec.task == "sentence-classification"
        return stack([read_row(body.decode() if text else body, spec.input).row for body in self.bodies])


def digits(model: Path = ROOT / "models/lenet5-mnist/1") -> Workload:
    bodies = [path.read_bytes() for path in sorted((ROOT / "models/lenet5-mnist/1/golden").glob("*.png"))]
    return Workload("LeNet-5, PNG", model, bodies, {"content-type": "image/png"})


def sentences() -> Workload:
    """Of 12 to 20 words, as reviews have them."""
    words = SENTENCE.split()
    bodies = [" ".join(words[: 12 + turn % 9]).encode() for turn in range(64)]
    return Workload("sentence CNN, text", ROOT / "models/textcnn-mr/1", bodies, {"content-type": "text/plain"})


def photos(model: Path, *, width: int = 500, height: int = 375) -> Workload:
    bodies = [photo(seed, width, height) for seed in range(PHOTOS)]
    return Workload(model.parent.name + ", JPEG", model, bodies, {"content-type": "image/jpeg"})


@cache
def photo(seed: int, width: int = 500, height: int = 375) -> bytes:
    """A JPEG with the spectrum of a photo: power falls with the square of the frequency (Field 1987)."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    noise = random.normal(size=(2, 4, *frequency.shape))
    planes = np.fft.irfft2((noise[0] + 1j * noise[1]) / frequency, (height, width))  # 4 x H x W
    planes /= planes.std((1, 2), keepdims=True)
    coloured = planes[0] + 0.4 * planes[1:]  # light is shared by the channels, colour is not
    pixels = np.clip(128 + 45 * coloured, 0, 255).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(encoded, "JPEG", quality=72)
    return encoded.getvalue()


def tensors(workload: Workload) -> Workload:
    """The same rows by the Open Inference Protocol, as binary tensors: no decoding, and 4 bytes a label back."""
    spec = workload.spec
    rows = workload.rows()
    size = rows[0].nbytes
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [1, *rows.shape[1:]],
                    "datatype": "UINT8",
                    "parameters": {"binary_data_size": size},
                }
            ],
            "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
        }
    ).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return OipWorkload(f"{spec.name}, binary tensor", workload.model, [head + row.tobytes() for row in rows], headers)


class OipWorkload(Workload):
    @property
    def path(self) -> str:
        return f"/v2/models/{self.model.parent.name}/infer"
