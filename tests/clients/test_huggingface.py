"""Hugging Face's own clients, unmodified, against a real server."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import plain

LONG = "a film that goes on and on"
SCRIPT = """
import {{ InferenceClient }} from "@huggingface/inference";
import {{ readFileSync }} from "node:fs";
const client = new InferenceClient("hf_token");
const picture = new Blob([readFileSync("red.png")], {{ type: "image/png" }});
console.log(JSON.stringify({{
  picture: await client.endpoint("{url}/models/colour").imageClassification({{ data: picture }}),
  sentence: await client.endpoint("{url}/models/length").textClassification({{ inputs: "{sentence}" }}),
}}));
"""


@pytest.fixture
def hugging_face() -> Any:
    return pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: make clients")


def test_image_classification_of_a_file_and_of_bytes(hugging_face: Any, tiny_url: str, tmp_path: Path) -> None:
    client = hugging_face.InferenceClient(model=f"{tiny_url}/models/colour", token="hf_token")
    picture = tmp_path / "red.png"
    picture.write_bytes(plain("red"))
    for given in (str(picture), plain("red")):
        labels = client.image_classification(given)
        assert [labels[0].label, len(labels)] == ["red", 3]
    (best,) = client.image_classification(plain("blue"), top_k=1, function_to_apply="softmax")
    assert best.label == "blue"
    assert best.score > 0.99


def test_text_classification_with_and_without_parameters(hugging_face: Any, tiny_url: str) -> None:
    client = hugging_face.InferenceClient(model=f"{tiny_url}/models/length")
    assert [each.label for each in client.text_classification(LONG)] == ["long", "short"]
    assert [each.label for each in client.text_classification(LONG, top_k=1)] == ["long"]


def test_an_error_says_what_the_server_says(hugging_face: Any, tiny_url: str) -> None:
    client = hugging_face.InferenceClient(model=f"{tiny_url}/models/colour")
    with pytest.raises(hugging_face.errors.HfHubHTTPError, match="picture"):
        client.image_classification(b"no picture")


def test_the_javascript_client(tiny_url: str, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    got = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "@huggingface/inference@4.13.30"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if got.returncode:
        pytest.skip(f"@huggingface/inference could not be installed: {got.stderr[-200:]}")
    (tmp_path / "red.png").write_bytes(plain("red"))
    (tmp_path / "ask.mjs").write_text(SCRIPT.format(url=tiny_url, sentence=LONG))
    ran = subprocess.run(["node", "ask.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert [answer["picture"][0]["label"], len(answer["picture"])] == ["red", 3]
    assert answer["sentence"][0]["label"] == "long"
