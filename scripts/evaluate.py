"""Measure an exported model on its test split, and compare with what its spec says.

python -m scripts.evaluate models/lenet5-mnist/1
python -m scripts.evaluate models/textcnn-mr/1 --data-dir my/files
python -m scripts.evaluate models/resnet18-photos/1 --data other-photos/
"""

import argparse
import shlex
import time
from pathlib import Path

from scripts.datasets import DataSet, data_dir_default
from scripts.measure import encode_rows, measure, rows_of
from scripts.owndata import read_data
from service.engine.session import Session
from service.spec import ImageInput, ModelSpec, read_spec

AGREES = 0.002


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure an exported model on its test split.")
    parser.add_argument("model", type=Path, help="a version folder: models/<name>/<version>")
    parser.add_argument("--data", help="else what the spec's training command names")
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    spec = read_spec(args.model / "model.json")
    data = data_of(spec, args.data, args.data_dir)
    session = Session((args.model / "model.onnx").read_bytes(), provider="cpu", folder=args.model)
    agree = True
    for found in measure(session, spec, data.test):
        low, high = found.interval
        print(
            f"{found.data}: accuracy {found.accuracy:.2%} ({low:.2%} to {high:.2%}, n={found.n}), ECE {found.ece:.4f}"
        )
        print("  " + "  ".join(f"{label} {recall:.1%}" for label, recall in found.per_label.items()))
        written = next((m.accuracy for m in spec.metrics if m.data == found.data), None)
        if written is None or abs(written - found.accuracy) > AGREES:
            print(f"  the spec says {written}: not the same")
            agree = False
    row = rows_of(encode_rows(data.test, "PNG")[:1], spec)
    start = time.perf_counter()
    for _ in range(100):
        session.run(row)
    print(f"one row: {(time.perf_counter() - start) * 10:.3f} ms")
    return 0 if agree else 1


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


if __name__ == "__main__":
    raise SystemExit(main())
