"""Measure an exported model on its test split, and compare with what its spec says.

python -m scripts.evaluate models/lenet5-mnist/1
python -m scripts.evaluate models/textcnn-mr/1 --data-dir my/files
"""

import argparse
import time
from pathlib import Path

from scripts.datasets import data_dir_default, load
from scripts.measure import encode_rows, measure, rows_of
from service.engine.session import Session
from service.spec import read_spec

AGREES = 0.002


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure an exported model on its test split.")
    parser.add_argument("model", type=Path, help="a version folder: models/<name>/<version>")
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    spec = read_spec(args.model / "model.json")
    if spec.training is None:
        raise SystemExit(f"{args.model} was not trained here: its spec names no data to evaluate on")
    data = load(spec.training.command.split("--data ")[1].split()[0], args.data_dir)
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


if __name__ == "__main__":
    raise SystemExit(main())
