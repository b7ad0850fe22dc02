"""curl, as docs/oip.md has it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import plain

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def curl(*arguments: str) -> bytes:
    return subprocess.check_output(["curl", "-sS", "--fail-with-body", *arguments])


def test_json_with_curl_s_own_content_type(tiny_url: str) -> None:
    tensor = {"name": "sentence", "shape": [1], "datatype": "BYTES", "data": ["so it goes"]}
    answer = json.loads(curl(f"{tiny_url}/v2/models/length/infer", "-d", json.dumps({"inputs": [tensor]})))
    assert answer["outputs"][0]["shape"] == [1, 2]


def test_a_raw_tensor_from_a_file(tiny_url: str, tmp_path: Path) -> None:
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    pixels[..., 1] = 255
    (tmp_path / "pixels.raw").write_bytes(pixels.tobytes())
    answer = curl(
        f"{tiny_url}/v2/models/colour/infer",
        *("-H", "Inference-Header-Content-Length: 0", "--data-binary", f"@{tmp_path / 'pixels.raw'}"),
    )
    assert np.frombuffer(answer[-12:], "<f4").argmax() == 1


def test_a_long_body_that_waits_for_100_continue(tiny_url: str, tmp_path: Path) -> None:
    """curl asks first when a body is longer than a megabyte."""
    (tmp_path / "picture").write_bytes(plain("blue").ljust(1_500_000, b"\0"))
    answer = curl(f"{tiny_url}/v1/models/colour/predict", "--data-binary", f"@{tmp_path / 'picture'}")
    assert json.loads(answer)["predictions"][0]["label"] == "blue"
    pixels = bytes(32 * 8 * 8 * 3)
    tensor = {"name": "image", "shape": [32, 8, 8, 3], "datatype": "UINT8", "data": list(pixels)}
    (tmp_path / "body.json").write_text(json.dumps({"inputs": [tensor]}).ljust(1_500_000))
    answer = curl(f"{tiny_url}/v2/models/colour/infer", "-d", f"@{tmp_path / 'body.json'}")
    assert json.loads(answer)["outputs"][0]["shape"] == [32, 3]
