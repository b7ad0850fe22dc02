"""schemathesis sends what the OpenAPI document allows and what it forbids; whatever comes back must be documented."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import serving

# Every check in every phase but for these. Which body is right depends on the model that the path names, pictures or
# sentences, and no schema knows the bytes of a picture: 400 to what fits the schema is right. 501 and 503 are
# documented answers. The parts of a multipart body have no types that could be wrong, and a tensor alone
# (Inference-Header-Content-Length: 0) may well look like JSON.
CONFIG = """
[checks]
positive_data_acceptance.enabled = false
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501", "503"]

[[operations]]
include-path-regex = "^/v1/models/.+/predict$|^/predictions/|/infer$"
checks.negative_data_rejection.enabled = false
"""
EXAMPLES = "100"  # of each operation, beside those that the document has and those at the edges of the schema
SECONDS = 1200


@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed: make clients"
)
def test_every_answer_is_as_the_openapi_document_says(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    (tmp_path / "key").write_text("nobody guesses this key\n")
    vertex = {"predict_route": "/v1/endpoints/7:predict", "health_route": "/v1/endpoints/7"}
    with serving(
        models=tiny_models, workers=1, default_model="colour,length", admin_key_file=tmp_path / "key", **vertex
    ) as url:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
        options = ["-n", EXAMPLES, "--seed", "1", "--no-color"]
        ran = subprocess.run(
            [*command, f"{url}/openapi.json", "--continue-on-failure", *options],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:]
    assert re.search(r"Selected: (\d+)/\1\n +Tested: \1\n", ran.stdout)
