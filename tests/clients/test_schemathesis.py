"""schemathesis sends what the OpenAPI document allows and what it forbids; whatever comes back must be documented."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import serving

# Whether a body is right depends on the model that the path names, pictures or sentences, which a schema of the path
# can not say: what a good request gets is tested by the document's examples, and what a bad one gets by our own tests.
OF_ONE_MODEL = "positive_data_acceptance,negative_data_rejection"


def test_every_answer_is_as_the_openapi_document_says(tiny_models: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed: make clients")
    with serving(models=tiny_models, workers=1, default_model="colour,length", predict_route="/vertex") as url:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all"]
        ran = subprocess.run(
            [*command, "--exclude-checks", OF_ONE_MODEL, "-n", "30", "--seed", "1", "--no-color"],
            capture_output=True, text=True, check=False, timeout=250,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-4000:]
        assert "Tested:" in ran.stdout
