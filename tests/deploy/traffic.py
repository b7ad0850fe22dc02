"""A service of which there is something to be seen in every panel, and what is asked of it for that."""

import json
import socket
from pathlib import Path

import httpx2

from service.engine.sampler import TOGETHER
from tests.conftest import plain, write_colour, write_length
from tests.service.candidates import HTTP, differing, write_versions

HALVES = [0.5, 0.5]
REFERENCE = {
    "data": "written",
    "n": 1000,
    "label": HALVES,
    "confidence": {"edges": [0.9], "shares": HALVES},
    "length": {"edges": [20.0], "shares": HALVES},
}


def write_models(models: Path) -> None:
    """One has a reference, of one a version is refused, and one has a candidate."""
    spec = write_length(models / "length" / "1") / "model.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "reference": REFERENCE}))
    write_colour(models / "colour" / "1")
    (write_colour(models / "colour" / "2") / "model.onnx").write_bytes(b"no graph")
    write_versions(models, "hue", differing(), mode="shadow")


def some_of_all(url: str) -> None:
    """Of all that is counted, with its answers."""
    with httpx2.Client(base_url=url, timeout=60) as client:
        predict = "/v1/models/colour/predict"
        assert client.post(predict, content=plain("red")).status_code == 200
        assert client.post(predict, content=b"no picture").status_code == 400
        assert client.post("/v1/models/none/predict", content=plain("red")).status_code == 404
        assert client.post("/v1/models/hue/predict", content=plain("red")).status_code == 200
        client.post("/v1/models/colour/inspect", content=plain("red"))
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as broken:
        broken.sendall(b"this is no request\r\n\r\n")
        broken.recv(1024)


def some_rows(url: str) -> None:
    """Of which drift is told when there are enough: 20 a second of a process are looked at, 4 of a request. Connections
    are dealt out to the processes in turn."""
    short = {"inputs": ["so it goes"] * TOGETHER}
    for _ in range(2 * TOGETHER):
        assert HTTP.post(f"{url}/v1/models/length/predict", json=short).status_code == 200
