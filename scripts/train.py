"""Train a net, on a named data set or on your own pictures or sentences.

python -m scripts.train --net lenet5 --data mnist --out runs/lenet5-mnist
python -m scripts.train --net textcnn --data mr --data-dir my/files --resume
python -m scripts.train --net resnet18 --data photos/ --deploy
python -m scripts.train --net textcnn --data reviews.csv --vectors glove.txt --deploy reviews
python -m scripts.train --net resnet50 --weights imagenet --data photos.zip
python -m scripts.train --net resnet152 --weights imagenet --deploy

Leaves in --out: report.html, checkpoint.pt after each epoch, best.pt (weights alone), words.json for sentences,
run.json, learning-curves.png and confusion.png. --deploy exports the run as the next version of a model, too.
"""

import argparse
import json
import re
import shlex
import sys
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scripts.baselines import baseline
from scripts.calibration import calibrate_on
from scripts.datasets import DataSet, data_dir_default
from scripts.export import REFUSALS, place
from scripts.hardware import hardware
from scripts.loop import train
from scripts.official import official_run, packages
from scripts.owndata import read_data
from scripts.plots import plot_confusion, plot_curves
from scripts.preprocessing import image_input
from scripts.recipes import Recipe, recipe_for
from scripts.report import Report, write_report
from scripts.sources import LICENCES
from scripts.start import start_from, take_over
from scripts.task import VARIANTS, SentenceTask, Task, make_picture_task, make_sentence_task, vocabulary
from scripts.vectors import fill_table, read_vectors
from scripts.weights import WEIGHTS, official
from service.spec import NAME


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a net.")
    parser.add_argument("--net", required=True, choices=VARIANTS)
    parser.add_argument("--variant", help="; ".join(f"{net}: {', '.join(v)}" for net, v in VARIANTS.items() if v[1:]))
    parser.add_argument(
        "--data",
        help=f"{', '.join(LICENCES)}; or a folder per class, a zip or tar of it, a table of path and label; or for "
        "textcnn a CSV, TSV, JSON lines or Parquet file of text and label",
    )
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    parser.add_argument("--out", type=Path, help="else runs/<net>-<data>")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--init", type=Path, help="start from another run's folder")
    parser.add_argument("--weights", choices=["imagenet"], help="start from torchvision's; without --data serve those")
    parser.add_argument("--vectors", type=Path, help="word vectors of GloVe or word2vec, for textcnn")
    parser.add_argument("--deploy", nargs="?", const="", metavar="NAME", help="export as the model's next version, too")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where --deploy puts it")
    args = parser.parse_args(arguments)
    if args.weights:
        if args.net not in WEIGHTS:
            parser.error(f"there are weights of {', '.join(WEIGHTS)}, not of {args.net}")
        if (args.variant or "torchvision") != "torchvision" or args.init:
            parser.error("--weights are of the variant torchvision, and leave nothing for --init")
    elif not args.data:
        parser.error("--data is needed: a named data set, or your own")
    if args.vectors and args.net != "textcnn":
        parser.error("--vectors are for textcnn")
    args.variant = args.variant or default_variant(args)
    if args.variant not in VARIANTS[args.net]:
        parser.error(f"{args.net} has the variants {', '.join(VARIANTS[args.net])}, not {args.variant}")
    if (args.net == "textcnn" and args.variant != "rand") != bool(args.vectors):
        parser.error("the variants static, non-static and multichannel start from --vectors, and rand from none")
    if args.deploy and not re.match(NAME, args.deploy):
        parser.error(
            f"--deploy {args.deploy!r}: a model's name is of lower-case letters, digits and . _ - and has at most 64"
        )
    if args.epochs is not None and args.epochs < 1:
        parser.error("--epochs: expected 1 or more")
    args.out = args.out or Path("runs") / model_name(args.net, args.data or "imagenet")
    return args


def default_variant(args: argparse.Namespace) -> str:
    if args.weights:
        return "torchvision"
    return "non-static" if args.vectors else VARIANTS[args.net][0]


def model_name(net: str, data: str) -> str:
    stem = Path(data).name.split(".")[0] or "data"
    return re.sub(r"[^a-z0-9._-]+", "-", f"{net}-{stem}".lower())[:64]


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        run_whole(args)
    except REFUSALS as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0


def run_whole(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    task, data, run = train_run(args) if args.data else official_run(args.net, command(args))
    torch.save(task.net.state_dict(), args.out / "best.pt")
    (args.out / "run.json").write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n")
    if args.deploy is not None:
        name = args.deploy or model_name(args.net, args.data or "imagenet")
        spec = place(task, data, run, name=name, version=None, replace=False, models=args.models)
        print(f"{args.models / spec.name / spec.version} is proven and in place")


def train_run(args: argparse.Namespace) -> tuple[Task, DataSet, dict[str, Any]]:
    """The trained net, its data, and what run.json says. Leaves the plots and the report."""
    weights = official(args.net) if args.weights else None
    choose = None
    if args.net != "textcnn":
        choose = partial(image_input, args.net, args.variant, weights[0] if weights else None)
    data = read_data(args.data, args.data_dir, choose=choose, seed=args.seed)
    print("\n".join(data.found or [f"{data.description}: {data.split_sizes}"]))
    recipe = recipe_of(args, data)
    print(f"recipe: {recipe}")
    torch.manual_seed(args.seed)
    task = make_task(args, data, recipe)
    if weights:
        print(take_over(task.net, weights[1], of=weights[0].file.name))
    done = train(task, data, recipe, seed=args.seed, path=args.out / "checkpoint.pt", resume=args.resume)
    task.net.load_state_dict(done.best)
    logits = task.logits(task.net, data.validation).numpy()
    tested = task.logits(task.net, data.test).numpy() if len(data.test) else logits[:0]
    run = {
        "net": {"name": args.net, "variant": args.variant, "parameters": trained_parameters(task.net)},
        "labels": data.labels,
        "source": args.data,
        "weights": bool(weights),
        "recipe": asdict(recipe),
        "calibration": calibrate_on(logits, data.validation),
        "validation_accuracy": done.curve[done.best_epoch - 1][2],
        "baseline": baseline(data),
        "training": {
            "data": data.description,
            "split_sizes": data.split_sizes,
            "command": command(args),
            "seed": args.seed,
            "epochs": done.epoch,
            "best_epoch": done.best_epoch,
            "minutes": round(done.seconds / 60, 1),
            "date": date.today().isoformat(),
            "packages": packages(),
            "licence": data.licence,
            "curve": [[round(value, 4) for value in epoch] for epoch in done.curve],
        },
    }
    plot_curves(done.curve, args.out / "learning-curves.png")
    plot_confusion(data.validation.targets, logits.argmax(1), data.labels, args.out / "confusion.png")
    write_report(
        Report(
            title=f"{args.net} on {data.name}",
            run=run,
            found=tuple(data.found),
            counts=data.counts,
            curve=done.curve,
            test=data.test,
            logits=tested,
            hardware=hardware(),
        ),
        args.out / "report.html",
    )
    print(f"best epoch {done.best_epoch}: validation {run['validation_accuracy']:.2%} of {len(data.validation):,}")
    if run["baseline"]:
        right = (tested.argmax(1) == data.test.targets).mean()
        print(f"test {right:.2%} of {len(data.test):,}; {run['baseline']['method']}: {run['baseline']['accuracy']:.2%}")
    print(f"the whole story: {args.out / 'report.html'}")
    return task, data, run


def recipe_of(args: argparse.Namespace, data: DataSet) -> Recipe:
    recipe = recipe_for(
        args.net,
        args.data,
        rows=len(data.train),
        imbalance=data.imbalance,
        side=getattr(data.input, "height", 0),
        started=bool(args.init or args.weights),
    )
    return replace(recipe, epochs=args.epochs or recipe.epochs)


def make_task(args: argparse.Namespace, data: DataSet, recipe: Recipe) -> Task:
    task: Task
    if args.net == "textcnn":
        words = vocabulary(data.train.rows, recipe.min_count)
        vectors = read_vectors(args.vectors, set(words)) if args.vectors else {}
        if vectors:
            print(f"{len(vectors):,} of {len(words) - 2:,} words have a vector in {args.vectors}")
        table = fill_table(words, vectors) if args.vectors else None
        task = make_sentence_task(args.variant, data, recipe, words=words, table=table)
        (args.out / "words.json").write_text(json.dumps(words, ensure_ascii=False))
    else:
        task = make_picture_task(args.net, args.variant, data, recipe)
    if args.init:
        known = task.words if isinstance(task, SentenceTask) else None
        print(start_from(task.net, args.init, name=args.net, labels=data.labels, words=known))
    return task


def command(args: argparse.Namespace) -> str:
    """As anyone would type it, wherever the data and the results lie here."""
    words = f"python -m scripts.train --net {args.net}"
    words += f" --data {shlex.quote(args.data)} --seed {args.seed}" if args.data else ""
    words += f" --weights {args.weights}" if args.weights else ""
    words += f" --variant {args.variant}" if args.variant != default_variant(args) else ""
    words += f" --vectors {shlex.quote(str(args.vectors))}" if args.vectors else ""
    words += f" --init {shlex.quote(str(args.init))}" if args.init else ""
    words += f" --epochs {args.epochs}" if args.epochs else ""
    default = Path("runs") / model_name(args.net, args.data or "imagenet")
    return words + f" --out {default if args.out.is_absolute() else args.out}"


def trained_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


if __name__ == "__main__":
    raise SystemExit(main())
