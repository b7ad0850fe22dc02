"""A finished training run, read again from its folder."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scripts.datasets import DataSet
from scripts.official import official_run
from scripts.owndata import read_data
from scripts.preprocessing import image_input
from scripts.recipes import Recipe
from scripts.task import Task, make_picture_task, make_sentence_task
from scripts.weights import choose


def read_run(folder: Path, data_dir: Path | None) -> tuple[Task, DataSet, dict[str, Any]]:
    """What scripts.train left: the trained net, its data, run.json. Raises FileNotFoundError for an unfinished run,
    ValueError where the data is no longer what it was trained on."""
    if not (folder / "run.json").exists():
        raise FileNotFoundError(f"{folder} has no run.json: expected the folder of a finished training run")
    run = json.loads((folder / "run.json").read_text())
    net, variant, seed = run["net"]["name"], run["net"]["variant"], run["training"]["seed"]
    state = torch.load(folder / "best.pt", weights_only=True)
    if run["source"] == "imagenet":
        return official_run(net, run["training"]["command"])
    recipe = Recipe(**run["recipe"])
    weights = choose(net) if run["weights"] else None
    task: Task
    if net == "textcnn":
        data = read_data(run["source"], data_dir, choose=None, seed=seed)
        check_same(data, run)
        words = json.loads((folder / "words.json").read_text())
        table = None if variant == "rand" else state["tables.0.weight"]
        task = make_sentence_task(variant, data, recipe, words=words, table=table)
    else:
        data = read_data(run["source"], data_dir, choose=partial(image_input, net, variant, weights), seed=seed)
        check_same(data, run)
        task = make_picture_task(net, variant, data, recipe)
    task.net.load_state_dict(state)
    return task, data, run


def check_same(data: DataSet, run: dict[str, Any]) -> None:
    """Rows that were added or taken away are split in another way: what is then held out, the net has seen."""
    for what, now, then in (
        ("labels", list(data.labels), run["labels"]),
        ("rows", data.split_sizes, run["training"]["split_sizes"]),
    ):
        if now != then:
            raise ValueError(
                f"{run['source']} has other {what} than the run was trained on ({then}, now {now}): train again, or "
                "put the data back"
            )
