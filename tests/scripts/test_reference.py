"""The committed references are what the command writes, and it changes nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from scripts.reference import main
from service.engine.proof import prove
from tests.conftest import ROOT


def test_a_version_gets_its_reference_and_keeps_all_else(tmp_path: Path, real_data: Path) -> None:
    folder = shutil.copytree(ROOT / "models" / "textcnn-trec" / "1", tmp_path / "textcnn-trec" / "1")
    committed = json.loads((folder / "model.json").read_text())
    without = {key: part for key, part in committed.items() if key != "reference"}
    (folder / "model.json").write_text(json.dumps(without))
    assert main([str(folder), "--data-dir", str(real_data)]) == 0
    assert json.loads((folder / "model.json").read_text()) == committed
    assert sorted(path.name for path in folder.iterdir()) == ["golden", "model.json", "model.onnx"]
    reference = prove(folder, provider="cpu").spec.reference
    assert reference is not None
    assert reference.n == committed["metrics"][0]["n"]


def test_rows_of_other_labels_are_refused(tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(ROOT / "models" / "textcnn-trec" / "1", tmp_path / "textcnn-trec" / "1")
    before = (folder / "model.json").read_bytes()
    assert main([str(folder), "--data", "mr", "--data-dir", str(real_data)]) == 2
    assert "does not know" in capsys.readouterr().err
    assert (folder / "model.json").read_bytes() == before
