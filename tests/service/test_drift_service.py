"""A real service of two worker processes: one truth of drift, whichever is asked."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.drift import ENOUGH
from service.engine.sampler import TOGETHER
from tests.conftest import children, eventually, two_workers, write_length
from tests.service.candidates import HTTP

HALVES = [0.5, 0.5]
LENGTH = {
    "data": "written",
    "n": 1000,
    "label": HALVES,
    "confidence": {"edges": [0.9], "shares": HALVES},
    "length": {"edges": [20.0], "shares": HALVES},
}
SHORT = [f"so it {at}" for at in range(8)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The second version, which has no reference, is asked by nobody."""
    models = tmp_path_factory.mktemp("models")
    for version, reference in (("1", LENGTH), ("2", None)):
        folder = write_length(models / "length" / version)
        if reference:
            spec = json.loads((folder / "model.json").read_text())
            (folder / "model.json").write_text(json.dumps({**spec, "reference": reference}))
    with two_workers(models) as (pid, url):
        yield pid, url


def ask(url: str) -> None:
    """On a connection of its own, which is another process's turn."""
    assert HTTP.post(f"{url}/v1/models/length/versions/1/predict", json={"inputs": SHORT}).status_code == 200


def drift(url: str, version: str = "1") -> dict[str, Any]:
    told: dict[str, Any] = HTTP.get(f"{url}/v1/models/length/versions/{version}").json()["drift"]
    return told


def metrics(url: str) -> dict[str, float]:
    lines = HTTP.get(f"{url}/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("maxpool_drift")}


def test_both_processes_are_counted_and_tell_the_same(service: tuple[int, str]) -> None:
    pid, url = service
    assert drift(url, "2") == {"status": "no reference", "rows": 0, "psi": {}, "unknown_words": None, "bins": {}}
    ask(url)
    ask(url)
    of_length = 'maxpool_drift_rows{model="length",version="1"}'
    eventually(lambda: all(drift(url)["rows"] == metrics(url)[of_length] == 2 * TOGETHER for _ in range(4)))
    first = drift(url)
    assert (first["status"], first["psi"]) == ("not enough rows", {})
    assert not any(name.startswith("maxpool_drift_psi") for name in metrics(url))

    def rows() -> int:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ask, [url] * 16))
        told: int = drift(url)["rows"]
        return told

    eventually(lambda: rows() >= ENOUGH)
    # What a process tells may be a second old, and either may be asked. All are short, where half were long.
    eventually(lambda: all(drift(url)["status"] == "major" for _ in range(4)))
    found = drift(url)
    assert found["psi"].keys() == {"label", "confidence", "length"}
    assert found["bins"]["label"] == [
        {"bin": "short", "reference": 0.5, "live": 1.0},
        {"bin": "long", "reference": 0.5, "live": 0.0},
    ]
    assert metrics(url)['maxpool_drift_psi{model="length",of="length",version="1"}'] > 0.2

    # Each had a part of it: with one killed, what it counted is gone, and the other's is left.
    before = max(drift(url)["rows"] for _ in range(4))
    killed = min(children(pid))
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in children(pid))
    eventually(lambda: 0 < drift(url)["rows"] < before)


def test_what_is_told_has_no_input_in_it(service: tuple[int, str], tmp_path: Path) -> None:
    _, url = service
    ask(url)
    told = HTTP.get(f"{url}/v1/models/length").text + HTTP.get(f"{url}/metrics").text
    assert "so it" not in told
