"""torchvision's official weights as a finished run: nothing is trained here, and nothing measured."""

import platform
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np

from nets import PICTURE_NETS
from scripts.datasets import DataSet, Split
from scripts.preprocessing import image_input, pixels_of
from scripts.recipes import Recipe
from scripts.task import PictureTask, Task
from scripts.weights import LICENCE, imagenet_labels, official

VARIANT = "torchvision"


def official_run(net: str, command: str) -> tuple[Task, DataSet, dict[str, Any]]:
    """The net with its weights, a data set of no rows, and what run.json says. Raises what `official` raises."""
    weights, state = official(net)
    labels = imagenet_labels()
    given = image_input(net, VARIANT, weights, [])
    empty = Split("none", np.empty((0, given.height, given.width, given.channels), np.uint8), np.empty(0, np.int64))
    data = DataSet("imagenet", labels, empty, empty, empty, f"ImageNet, {weights.file.name}", given)
    recipe = Recipe(epochs=0, batch=1, rate=0.0)
    task = PictureTask(PICTURE_NETS[net][VARIANT](len(labels)), data, recipe, pixels_of(net, VARIANT))
    task.net.load_state_dict(state)
    run = {
        "net": {
            "name": net,
            "variant": VARIANT,
            "parameters": sum(parameter.numel() for parameter in task.net.parameters()),
        },
        "labels": labels,
        "source": "imagenet",
        "calibration": None,
        "baseline": None,
        "training": {
            "data": f"ImageNet-1k, by torchvision: {weights.file.name}. Published: top-1 {weights.top1} %, top-5 "
            f"{weights.top5} % of the 50,000 validation pictures; not measured here",
            "split_sizes": {},
            "command": command,
            "seed": 0,
            "epochs": 0,
            "best_epoch": 0,
            "minutes": 0.0,
            "date": date.today().isoformat(),
            "packages": packages(),
            "licence": LICENCE,
        },
    }
    return task, data, run


def packages() -> dict[str, str]:
    """Versions of what makes a model."""
    found = {name: version(name) for name in ("torch", "onnx", "onnxruntime", "numpy", "pillow")}
    return found | {"python": platform.python_version()}
