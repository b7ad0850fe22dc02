"""The command `mlserver infer`, unmodified: JSON in, binary out, several lines merged into one batch."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlserver") is None, reason="mlserver is not installed (it holds FastAPI below ours)"
)


def test_mlserver_infer(tiny_url: str, tmp_path: Path) -> None:
    lines = []
    for colour in range(3):
        row = np.zeros((1, 8, 8, 3), np.uint8)
        row[..., colour] = 255
        tensor = {"name": "image", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": row.ravel().tolist()}
        lines.append(json.dumps({"inputs": [tensor]}))
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    command = Path(sys.executable).parent / "mlserver"
    options = ["-u", tiny_url.removeprefix("http://"), "-m", "colour", "-s", "3"]
    files = ["-i", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl")]
    subprocess.run([str(command), "infer", *options, *files], check=True, capture_output=True, timeout=120)
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    best = [int(np.argmax(answer["outputs"][0]["data"])) for answer in answers]
    assert best == [0, 1, 2]
