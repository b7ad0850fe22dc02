"""Measure an exported model on its test split, and compare with what its spec says.

python -m scripts.evaluate models/lenet5-mnist/1
python -m scripts.evaluate models/textcnn-mr/1 --data-dir my/files
python -m scripts.evaluate models/resnet18-photos/1 --data other-photos/
"""

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from scripts.datasets import DataSet, Split, data_dir_default
from scripts.export import REFUSALS
from scripts.measure import encode_rows, measure, rows_of
from scripts.owndata import read_data
from service.engine.session import Session
from service.spec import ImageInput, ModelSpec, read_spec

AGREES = 0.002


def parse_args(
    arguments: list[str] | None = None, *, description: str = "Measure an exported model on its test split."
) -> argparse.Namespace:
    """A model, and what its held-out rows are read from; of use to other scripts that ask for just these."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="a version folder: models/<name>/<version>")
    parser.add_argument("--data", help="else what the spec's training command names")
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        agree = evaluate(args.model, args.data, args.data_dir)
    except REFUSALS as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0 if agree else 1


def evaluate(model: Path, source: str | None, data_dir: Path | None) -> bool:
    """Whether the model is as good on its own test rows as its spec says; of other rows nothing is said there."""
    spec = read_spec(model / "model.json")
    test = held_out(spec, data_of(spec, source, data_dir))
    session = Session((model / "model.onnx").read_bytes(), provider="cpu", folder=model)
    agree = True
    for found in measure(session, spec, test):
        low, high = found.interval
        print(
            f"{found.data}: accuracy {found.accuracy:.2%} ({low:.2%} to {high:.2%}, n={found.n}), ECE {found.ece:.4f}"
        )
        print("  " + "  ".join(f"{label} {recall:.1%}" for label, recall in found.per_label.items()))
        written = next((m.accuracy for m in spec.metrics if m.data == found.data), None)
        if source is None and (written is None or abs(written - found.accuracy) > AGREES):
            print(f"  the spec says {written}: not the same")
            agree = False
    row = rows_of(encode_rows(test, "PNG")[:1], spec)
    start = time.perf_counter()
    for _ in range(100):
        session.run(row)
    print(f"one row: {(time.perf_counter() - start) * 10:.3f} ms")
    return agree


def data_of(spec: ModelSpec, source: str | None, data_dir: Path | None) -> DataSet:
    """The rows a model was trained and measured on, split as then; or others, as it takes them. Raises ValueError where
    nobody names any."""
    words = shlex.split(spec.training.command) if spec.training else []
    if source is None and "--data" not in words:
        raise ValueError(f"{spec.name} was not trained here and its spec names no data: say --data")
    given = spec.input
    choose = (lambda _: given) if isinstance(given, ImageInput) else None
    seed = spec.training.seed if spec.training else 0
    return read_data(source or words[words.index("--data") + 1], data_dir, choose=choose, seed=seed)


def held_out(spec: ModelSpec, data: DataSet) -> Split:
    """The test rows, their labels numbered as the model does. Raises ValueError where it does not know them all."""
    if unknown := set(data.labels) - set(spec.labels):
        raise ValueError(f"{data.name} has labels that {spec.name} does not know: {', '.join(sorted(unknown))}")
    if not len(data.test):
        raise ValueError(f"{data.name} has no test rows: give it more rows, or a test/ of its own")
    numbers = np.array([spec.labels.index(label) for label in data.labels], np.int64)
    return replace(data.test, targets=numbers[data.test.targets])


if __name__ == "__main__":
    raise SystemExit(main())
