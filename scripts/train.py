"""Train a net on a named data set.

python -m scripts.train --net lenet5 --data mnist --out runs/lenet5-mnist
python -m scripts.train --net textcnn --data mr --out runs/textcnn-mr --data-dir my/files
python -m scripts.train --net convnetjs --data cifar10 --out runs/convnetjs-cifar10 --resume

Leaves in --out: checkpoint.pt after each epoch, best.pt (weights alone), words.json for sentences, run.json,
learning-curves.png and confusion.png.
"""

import argparse
import json
import platform
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scripts.baselines import baseline
from scripts.calibration import calibrate, expected_calibration_error
from scripts.datasets import DataSet, data_dir_default, load
from scripts.loop import train
from scripts.plots import plot_confusion, plot_curves
from scripts.recipes import RECIPES
from scripts.task import VARIANTS, SentenceTask, make_task


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a net on a named data set.")
    parser.add_argument("--net", required=True, choices=VARIANTS)
    parser.add_argument("--variant", help="lenet5: modern or 1998")
    parser.add_argument("--data", required=True, choices=sorted({data for _, data in RECIPES}))
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args(arguments)
    args.variant = args.variant or VARIANTS[args.net][0]
    if (args.net, args.data) not in RECIPES or args.variant not in VARIANTS[args.net]:
        parser.error(f"there is no recipe for {args.net} ({args.variant}) on {args.data}")
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    recipe = RECIPES[args.net, args.data]
    recipe = replace(recipe, epochs=args.epochs or recipe.epochs)
    data = load(args.data, args.data_dir)
    print(f"{data.description}: {data.split_sizes}; {recipe}")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    task = make_task(args.net, args.variant, data, recipe)
    done = train(task, data, recipe, seed=args.seed, path=args.out / "checkpoint.pt", resume=args.resume)
    task.net.load_state_dict(done.best)
    torch.save(done.best, args.out / "best.pt")
    if isinstance(task, SentenceTask):
        (args.out / "words.json").write_text(json.dumps(task.words, ensure_ascii=False))
    logits = task.logits(task.net, data.validation).numpy()
    calibration = calibrate_on(logits, data)
    run = {
        "net": {"name": args.net, "variant": args.variant, "parameters": trained_parameters(task.net)},
        "labels": data.labels,
        "calibration": calibration,
        "validation_accuracy": done.curve[done.best_epoch - 1][2],
        "baseline": baseline(data),
        "training": {
            "data": data.description,
            "split_sizes": data.split_sizes,
            "command": command(args),
            "seed": args.seed,
            "epochs": recipe.epochs,
            "best_epoch": done.best_epoch,
            "minutes": round(done.seconds / 60, 1),
            "date": date.today().isoformat(),
            "packages": {name: version(name) for name in ("torch", "onnx", "onnxruntime", "numpy", "pillow")}
            | {"python": platform.python_version()},
            "licence": data.licence,
        },
    }
    (args.out / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
    plot_curves(done.curve, args.out / "learning-curves.png")
    plot_confusion(data.validation.targets, logits.argmax(1), data.labels, args.out / "confusion.png")
    print(f"best epoch {done.best_epoch}: validation {run['validation_accuracy']:.2%}; baseline {run['baseline']}")
    return 0


def command(args: argparse.Namespace) -> str:
    """As anyone would type it, wherever the data and the results lie here."""
    words = f"python -m scripts.train --net {args.net} --data {args.data} --seed {args.seed}"
    words += f" --variant {args.variant}" if args.variant != VARIANTS[args.net][0] else ""
    return words + (f" --epochs {args.epochs}" if args.epochs else "") + f" --out runs/{args.net}-{args.data}"


def trained_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


def calibrate_on(logits: Any, data: DataSet) -> dict[str, Any]:
    targets = data.validation.targets
    temperature = calibrate(logits, targets)
    return {
        "temperature": round(temperature, 4),
        "data": data.validation.name,
        "ece_before": round(expected_calibration_error(softmax(logits), targets), 4),
        "ece_after": round(expected_calibration_error(softmax(logits / temperature), targets), 4),
    }


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


if __name__ == "__main__":
    raise SystemExit(main())
