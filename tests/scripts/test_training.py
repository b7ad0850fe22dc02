import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from scripts import checkpoint
from scripts.calibration import calibrate, expected_calibration_error
from scripts.datasets import DataSet
from scripts.export import ExportRefused, check_parity, export, graph_of
from scripts.loop import train
from scripts.measure import measure, wilson
from scripts.recipes import RECIPES
from scripts.task import make_picture_task
from scripts.train import command, parse_args
from service.engine.proof import prove
from service.engine.session import Session

ROOT = Path(__file__).parents[2]
RECIPE = replace(RECIPES["lenet5", "mnist"], epochs=4, batch=50)

RUN = """
import sys, torch
from dataclasses import replace
from pathlib import Path
from scripts.datasets import DIGITS, DataSet, Split
from scripts.loop import train
from scripts.recipes import RECIPES
from scripts.task import make_picture_task
from tests.scripts.conftest import DIGIT_INPUT, tiny_pictures

parts = [Split(part, *tiny_pictures(n, seed)) for seed, (part, n) in enumerate((("a", 400), ("b", 100), ("c", 100)))]
data = DataSet("mnist", DIGITS, *parts, "tiny bars", DIGIT_INPUT)
recipe = replace(RECIPES["lenet5", "mnist"], epochs=6, batch=50)
torch.manual_seed(3)
train(make_picture_task("lenet5", "modern", data, recipe), data, recipe, seed=3, path=Path(sys.argv[1]), resume=True)
"""


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(path).averaged


def test_a_killed_run_goes_on_to_the_very_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    subprocess.run([*command, whole], check=True, env=environ, stderr=subprocess.DEVNULL)
    process = subprocess.Popen([*command, killed], env=environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not killed.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.read(killed).epoch < 6
    subprocess.run([*command, killed], check=True, env=environ, stderr=subprocess.DEVNULL)
    assert checkpoint.read(killed).curve == checkpoint.read(whole).curve
    for name, weight in weights(whole).items():
        assert torch.equal(weight, weights(killed)[name])


def test_a_trained_net_is_exported_proven_and_measured(tmp_path: Path, tiny_digits: DataSet) -> None:
    torch.manual_seed(0)
    task = make_picture_task("lenet5", "modern", tiny_digits, RECIPE)
    done = train(task, tiny_digits, RECIPE, seed=0, path=tmp_path / "checkpoint.pt", resume=False)
    assert done.best_epoch == 1 + max(range(len(done.curve)), key=lambda at: (done.curve[at][2], at))
    task.net.load_state_dict(done.best)
    folder = tmp_path / "models" / "bars" / "1"
    spec = export(task, tiny_digits, run_of(done.best_epoch), name="bars", version="1", folder=folder)
    assert spec.parity is not None
    assert spec.parity.max_difference <= 1e-5
    proven = prove(folder, provider="cpu")
    assert proven.spec == spec
    assert measure(proven.session, spec, tiny_digits.test) == spec.metrics
    assert [m.data for m in spec.metrics] == ["tiny test, as PNG", "tiny test, as JPEG of quality 75"]
    with pytest.raises(ExportRefused, match="differ"):
        check_parity(proven.session, tiny_digits.test.rows, lambda rows: np.full((len(rows), 10), 0.1))


def run_of(best_epoch: int) -> dict[str, object]:
    return {
        "net": {"name": "lenet5", "variant": "modern", "parameters": 61_706},
        "calibration": {"temperature": 1.25, "data": "tiny validation", "ece_before": 0.1, "ece_after": 0.05},
        "baseline": {"method": "none", "data": "tiny test", "accuracy": 0.1},
        "training": {
            "data": "tiny bars",
            "split_sizes": {"train": 400},
            "command": "a test",
            "seed": 0,
            "epochs": 4,
            "best_epoch": best_epoch,
            "minutes": 0.1,
            "date": "2026-11-24",
            "packages": {},
            "licence": "ours",
        },
    }


def test_the_temperature_mends_a_net_that_is_too_sure() -> None:
    random = np.random.default_rng(0)
    honest = random.normal(size=(4000, 3)) * 2
    scores = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    targets = np.array([random.choice(3, p=row) for row in scores])
    assert calibrate(honest * 4, targets) == pytest.approx(4, rel=0.1)
    sure = np.exp(honest * 4) / np.exp(honest * 4).sum(1, keepdims=True)
    assert expected_calibration_error(sure, targets) > 5 * expected_calibration_error(scores, targets)


@pytest.mark.parametrize("n", [2, 4, 20])
def test_a_few_rows_that_are_all_right_or_all_wrong_leave_a_sensible_temperature(n: int) -> None:
    logits = np.random.default_rng(0).normal(size=(n, 2)) * 3
    right = logits.argmax(1)
    assert 0.1 < calibrate(logits, right) < 1
    assert 1 < calibrate(logits, 1 - right) < 50


def test_the_interval_is_wilson_s() -> None:
    assert wilson(90, 100) == (0.8256, 0.9448)
    assert wilson(100, 100)[1] == 1.0


def test_the_recorded_command_is_what_anyone_can_type() -> None:
    args = parse_args(["--net", "lenet5", "--data", "mnist", "--out", "/some/where", "--data-dir", "/else"])
    assert command(args) == "python -m scripts.train --net lenet5 --data mnist --seed 0 --out runs/lenet5-mnist"


def test_the_c3_table_survives_export(tiny_digits: DataSet) -> None:
    torch.manual_seed(0)
    task = make_picture_task("lenet5", "1998", tiny_digits, RECIPE)
    model = graph_of(task, 1.0)
    Session(model.SerializeToString(), provider="cpu").run(tiny_digits.test.rows)
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    (c3,) = [array for array in arrays if array.shape == (16, 6, 5, 5)]
    assert (c3.reshape(96, 25) == 0).all(1).sum() == 36
