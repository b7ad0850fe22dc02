"""The process as a whole: how it starts, refuses to start, and says no when it is full."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from service.engine.session import works
from tests.conftest import ROOT, encode, serving, write_spoiled


def start(**settings: object) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **{f"MAXPOOL_{name.upper()}": str(value) for name, value in settings.items()}}
    command = [sys.executable, "-m", "service"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(works("cuda"), reason="CUDA works here")
def test_a_provider_that_is_demanded_and_missing_refuses_to_start(tiny_models: Path) -> None:
    ended = start(provider="cuda", models=tiny_models)
    assert ended.returncode == 2
    assert "cuda" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_refuses_to_start_in_one_sentence(tmp_path: Path) -> None:
    for settings, word in (({"port": "x"}, "MAXPOOL_PORT"), ({"models": tmp_path / "nothing"}, "MAXPOOL_MODELS")):
        ended = start(**settings)
        assert ended.returncode == 2
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_full_queue_is_503_with_retry_after_and_the_rest_is_answered(tiny_models: Path) -> None:
    large = encode(Image.new("RGB", (4000, 3000), "red"))
    with serving(models=tiny_models, workers=1, queue_rows=2) as url:

        def ask(_: int) -> httpx2.Response:
            return httpx2.post(f"{url}/v1/models/colour/predict", content=large, timeout=30)

        with ThreadPoolExecutor(12) as callers:
            answers = list(callers.map(ask, range(12)))
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert "queue is full" in answer.json()["error"]
            else:
                assert answer.json()["predictions"][0]["label"] == "red"
        more = httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": ["a", "b", "c"]})
        assert more.status_code == 413


def test_a_refused_model_makes_the_service_not_ready_and_says_why(tmp_path: Path) -> None:
    write_spoiled(tmp_path)
    with serving(models=tmp_path, workers=1) as url:
        assert httpx2.get(f"{url}/readyz").status_code == 503
        (refused,) = [m for m in httpx2.get(f"{url}/v1/models").json()["models"] if m["status"] == "refused"]
        assert "bytes" in refused["reason"]
        assert httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": "hello"}).status_code == 200
        answer = httpx2.post(f"{url}/v1/models/colour/predict", content=b"x")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
