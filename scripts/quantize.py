"""An exported picture model -> its next version in int8 (for CPUs) or fp16 (for GPUs), with what that costs and gains.

python -m scripts.quantize models/convnetjs-cifar10/1
python -m scripts.quantize models/convnetjs-cifar10/1 --format fp16 --name convnetjs-cifar10-fp16
python -m scripts.quantize models/lenet5-mnist/1 --max-loss 0.2 --version 2 --replace

Training rows calibrate, validation rows choose between the ways to quantise, test rows say what it costs. Refused, with
nothing written, when that is more than --max-loss points of accuracy.
"""

import argparse
import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx

from scripts.comparison import compare, machine, rounding_elsewhere, time_ratio
from scripts.datasets import DataSet, Split, data_dir_default
from scripts.evaluate import data_of
from scripts.export import REFUSALS, TOLERANCE, check_batch_invariance
from scripts.graphfile import write_graph
from scripts.histograms import reference_of
from scripts.inspection import remaining
from scripts.measure import encode_rows, measure, rows_of, scores_of
from scripts.precision import STRIDE, choices, prepare, to_fp16, to_int8, trained
from scripts.version import new_version, next_version, write_files
from service.engine.session import Scores, Session
from service.spec import ImageInput, ModelSpec, Parity, Quantisation, read_spec

CALIBRATION = 512  # rows
BATCHES = (1, 32)
Format = Literal["int8", "fp16"]


class QuantizeRefused(Exception):
    pass


@dataclass(frozen=True)
class Quantized:
    graph: bytes
    method: str


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Quantise an exported picture model.")
    parser.add_argument("model", type=Path, help="a version folder: models/<name>/<version>")
    parser.add_argument("--format", choices=("int8", "fp16"), default="int8")
    parser.add_argument("--data", help="the one it was trained on unless said")
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    parser.add_argument("--max-loss", type=float, default=0.5, help="points of accuracy that it may cost")
    parser.add_argument("--name", help="the model's own unless said")
    parser.add_argument("--version", type=int, help="the next free one unless said")
    parser.add_argument("--replace", action="store_true", help="overwrite this version")
    parser.add_argument("--models", type=Path, default=Path("models"))
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    source = read_spec(args.model / "model.json")
    name = args.name or source.name
    version = str(args.version or next_version(args.models / name))
    folder = args.models / name / version
    if folder.exists() and not args.replace:
        raise SystemExit(f"{folder} exists: give another --version, or --replace")
    if folder.exists() and folder.samefile(args.model):
        raise SystemExit(f"{folder} is the float model itself: give another --version or --name")
    try:
        check_source(source)
        data = data_of(source, args.data, args.data_dir)
        command = f"python -m scripts.quantize models/{source.name}/{source.version} --format {args.format}"
        command += f" --data {shlex.quote(args.data)}" if args.data else ""
        spec = quantize(args.model, data, kind=args.format, max_loss=args.max_loss, folder=folder, command=command)
    except (QuantizeRefused, *REFUSALS) as refusal:
        raise SystemExit(f"{args.model} is not quantised: {refusal}") from None
    report(folder, spec)
    return 0


def report(folder: Path, spec: ModelSpec) -> None:
    told = spec.quantisation
    assert told is not None
    times = ", ".join(f"{ratio:.2f} for {batch}" for batch, ratio in told.time_ratio.items())
    print(f"{folder}: {told.method}")
    print(f"  accuracy {told.accuracy_before:.2%} -> {spec.metrics[0].accuracy:.2%} on {told.n} rows of {told.data}")
    print(f"  {told.rows_lost} rows lost, {told.rows_won} won; {told.points_lost:.2f} points at worst")
    print(f"  {told.size_ratio:.2f} of the size; {times} rows of the time, on {told.measured_on}")
    if spec.graph.quantisation == "int8" and min(told.time_ratio.values()) >= 1:
        print(f"  It is no faster here. The highest version is served: remove {folder} to go on with the float graph.")


def check_source(spec: ModelSpec) -> None:
    """Raises QuantizeRefused."""
    if not isinstance(spec.input, ImageInput):
        raise QuantizeRefused(
            "a sentence model has nothing to gain: its graph looks up and adds rows of a table, which is computed when "
            "the model is loaded and lies in the file in fp16 factors already; its one matrix product takes 1 % of the "
            "time. Serve it as it is"
        )
    if spec.graph.quantisation != "none":
        raise QuantizeRefused(f"its graph is {spec.graph.quantisation} already: give the version it was made from")


def quantize(model: Path, data: DataSet, *, kind: Format, max_loss: float, folder: Path, command: str) -> ModelSpec:
    """Writes `folder`, a version, and returns its spec. Raises QuantizeRefused, with nothing written."""
    source = read_spec(model / "model.json")
    check_source(source)
    if source.labels != tuple(data.labels):
        raise QuantizeRefused(f"its labels are {source.labels}, those of {data.name} {data.labels}: say another --data")
    before = Session((model / "model.onnx").read_bytes(), provider="cpu", folder=model)
    validation = rows_of(encode_rows(data.validation, "PNG"), source)
    with TemporaryDirectory() as work:
        prepared = prepare(model / "model.onnx", Path(work))
        if not trained(onnx.load(prepared)):
            raise QuantizeRefused("its graph has no convolution and no fully connected layer: serve it as it is")
        if kind == "int8":
            made = choose_int8(prepared, calibration_rows(data.train, source), validation, data.validation)
        else:
            made = Quantized(to_fp16(prepared), "fp16 for GPU providers, bytes to first layer and softmax in float")
    after = Session(made.graph, provider="cpu")
    check_batch_invariance(after, validation)
    sample = validation[:500]
    parity = float(np.abs(scores_of(after, sample) - scores_of(before, sample)).max())
    spec = source.model_copy(
        update={
            "name": folder.parent.name,
            "version": folder.name,
            "parity": Parity(max_difference=parity, n=len(sample)),
            "metrics": measure(after, source, data.test),
            "reference": reference_of(after, made.graph, source, data.test),
            "inspect": source.inspect and remaining(source.inspect, made.graph),
        }
    )
    told = told_of(made, before, after, source, spec, data, command)
    if told.points_lost > max_loss:
        raise QuantizeRefused(
            f"{made.method} costs {told.points_lost:.2f} points of accuracy on {told.n} rows of {told.data} "
            f"({told.rows_lost} lost, {told.rows_won} won), more than {max_loss:g}: allow more with --max-loss, "
            f"{'try --format fp16, ' if kind == 'int8' else ''}or serve the float graph"
        )
    spec = spec.model_copy(update={"quantisation": told})
    # Another machine may round otherwise in int8; in fp16 every provider rounds sums of its own order.
    elsewhere = rounding_elsewhere(made.graph, after, sample) if kind == "int8" else parity
    return place(model, folder, made.graph, kind, spec, before, tolerance=tolerance_of(elsewhere))


def calibration_rows(train: Split, spec: ModelSpec) -> Any:
    """Training rows as the service would hand them to the graph, the same each time."""
    count = min(CALIBRATION, len(train)) // STRIDE * STRIDE
    chosen = np.random.default_rng(0).permutation(len(train))[:count]
    return rows_of(encode_rows(Split(train.name, train.rows[chosen], train.targets[chosen]), "PNG"), spec)


def choose_int8(prepared: Path, rows: Any, validation: Any, split: Split) -> Quantized:
    """Of all choices the first, that is the one most in int8, which the validation rows can not tell from the best."""
    tried: list[tuple[Quantized, Scores]] = []
    failed = ""
    for choice in choices(onnx.load(prepared)):
        try:
            graph = to_int8(prepared, rows, choice)
        except ValueError as error:  # of the calibrator, on activations that are all one value or out of all bounds
            failed = f"{choice}: {error}"
            continue
        method = f"static int8, weights of 7 bits with a scale a filter, {len(rows)} training rows, {choice}"
        tried.append((Quantized(graph, method), scores_of(Session(graph, provider="cpu"), validation)))
    if not tried:
        raise QuantizeRefused(f"no calibration works on its activations ({failed}): is the net trained?")
    _, best = max(tried, key=lambda pair: (pair[1].argmax(1) == split.targets).sum())
    return next(made for made, scores in tried if not compare(best, scores, split.targets).told_apart)


def told_of(
    made: Quantized, before: Session, after: Session, source: ModelSpec, spec: ModelSpec, data: DataSet, command: str
) -> Quantisation:
    rows = rows_of(encode_rows(data.test, "PNG"), source)
    paired = compare(scores_of(before, rows), scores_of(after, rows), data.test.targets)
    float_metrics = measure(before, source, data.test)
    lost = [100 * (old.accuracy - new.accuracy) for old, new in zip(float_metrics, spec.metrics, strict=True)]
    return Quantisation(
        source=f"{source.name}/{source.version}",
        method=made.method,
        command=command,
        data=float_metrics[0].data,
        n=paired.n,
        accuracy_before=float_metrics[0].accuracy,
        rows_lost=paired.lost,
        rows_won=paired.won,
        points_lost=round(max(lost), 2),
        size_ratio=round(len(made.graph) / source.graph.total_bytes, 3),
        time_ratio={str(batch): time_ratio(after, before, rows[:batch]) for batch in BATCHES},
        measured_on=machine(),
    )


def tolerance_of(difference: float) -> float:
    """Twice what was seen, as the golden inputs are few and other machines many, in one digit rounded up."""
    doubled = max(2 * difference, TOLERANCE)
    digit = 10.0 ** math.floor(math.log10(doubled))
    return float(f"{math.ceil(round(doubled / digit, 6)) * digit:.0e}")


def place(
    model: Path, folder: Path, graph: bytes, kind: Format, spec: ModelSpec, before: Session, *, tolerance: float
) -> ModelSpec:
    """As the version `folder`, with `spec` but for its graph, and the golden inputs of `model`. Raises QuantizeRefused
    where one of these gets another label."""
    files = [row["file"] for row in json.loads((model / "golden" / "golden.json").read_text())["rows"]]
    golden = {file: (model / "golden" / file).read_bytes() for file in files}
    rows = rows_of(list(golden.values()), spec)
    with new_version(folder) as fresh:
        written = write_graph(onnx.load_from_string(graph), fresh).model_copy(update={"quantisation": kind})
        spec = spec.model_copy(update={"graph": written})
        scores = Session((fresh / "model.onnx").read_bytes(), provider="cpu", folder=fresh).run(rows)
        same = before.run(rows).argmax(1) == scores.argmax(1)
        if changed := [file for file, kept in zip(files, same, strict=True) if not kept]:
            raise QuantizeRefused(f"golden {', '.join(changed)} would get another label: serve the float graph")
        answers = [{"file": file, "scores": row.tolist()} for file, row in zip(files, scores, strict=True)]
        write_files(fresh, spec, golden, answers, tolerance=tolerance)
    return spec


if __name__ == "__main__":
    raise SystemExit(main())
