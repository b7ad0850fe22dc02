"""A training run -> models/<name>/<version>/, a model that proves itself when it is loaded.

python -m scripts.export runs/lenet5-mnist --name lenet5-mnist
python -m scripts.export runs/lenet5-mnist --name lenet5-mnist --version 1 --replace

Refused unless the graph answers as the torch net does, whoever shares the batch.
"""

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from nets import TextCNN
from nets.servable import Servable
from scripts import golden
from scripts.datasets import DataSet, data_dir_default
from scripts.download import ChecksumError
from scripts.graphfile import write_graph
from scripts.histograms import reference_of
from scripts.inspection import inspect_block
from scripts.measure import measure, rows_of
from scripts.runs import read_run
from scripts.sources import TITLES
from scripts.task import PictureTask, SentenceTask, Task
from scripts.textgraph import IR, OPSET, text_graph, word_ids
from scripts.version import new_version, next_version, write_files
from scripts.weights import WeightsRefused
from service.engine.session import Session
from service.errors import ModelRefused
from service.images import open_picture
from service.spec import ImageInput, ModelSpec, Net, Parity, SentenceInput, Training

PARITY = 1e-5
TOLERANCE = 1e-4


class ExportRefused(Exception):
    pass


# What a command says in one sentence, instead of a traceback: these are about what it was given.
REFUSALS = (ValueError, OSError, ChecksumError, WeightsRefused, ExportRefused, ModelRefused)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Export a training run as a model.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", type=int, help="the next free one unless said")
    parser.add_argument("--replace", action="store_true", help="overwrite this version")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--data-dir", type=Path, default=data_dir_default(), help="else $MAXPOOL_DATA, else downloaded")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        task, data, run = read_run(args.run, args.data_dir)
        spec = place(task, data, run, name=args.name, version=args.version, replace=args.replace, models=args.models)
    except REFUSALS as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    print(f"{spec.name}/{spec.version}: {spec.graph.total_bytes / 1e6:.1f} MB, parity {spec.parity}")
    for metrics in spec.metrics:
        print(f"  {metrics.data}: {metrics.accuracy:.2%}, n={metrics.n}, ECE {metrics.ece}")
    return 0


def place(
    task: Task, data: DataSet, run: dict[str, Any], *, name: str, version: int | None, replace: bool, models: Path
) -> ModelSpec:
    """Exports as this version, or the next free one. Raises ExportRefused."""
    version = version or next_version(models / name)
    folder = models / name / str(version)
    if folder.exists() and not replace:
        raise ExportRefused(f"{folder} exists: give another --version, or --replace")
    return export(task, data, run, name=name, version=str(version), folder=folder)


def export(task: Task, data: DataSet, run: dict[str, Any], *, name: str, version: str, folder: Path) -> ModelSpec:
    """Writes the folder and returns its spec. Raises ExportRefused or ModelRefused, with nothing written, when a check
    fails."""
    temperature = run["calibration"]["temperature"] if run["calibration"] else 1.0
    torch_scores = scorer(task, temperature)
    model = graph_of(task, temperature)
    inspect = inspect_block(run["net"]["name"], model)  # reads the exporter's notes, so before they go
    drop_notes(model)
    onnx.checker.check_model(model)
    rows = rows_for_parity(data)
    with new_version(folder) as fresh:
        graph = write_graph(model, fresh)
        written = (fresh / "model.onnx").read_bytes()
        session = Session(written, provider="cpu", folder=fresh)
        check_batch_invariance(session, rows)
        spec = ModelSpec(
            name=name,
            version=version,
            title=TITLES.get(data.name, f"{data.name}: {', '.join(data.labels)}"[:200]),
            task="image-classification" if isinstance(task, PictureTask) else "sentence-classification",
            labels=tuple(data.labels),
            input=data.input,
            scores="softmax",
            graph=graph,
            net=Net(**run["net"]),
            training=Training(**run["training"]),
            calibration=run["calibration"],
            baseline=run["baseline"],
            parity=Parity(max_difference=check_parity(session, rows, torch_scores), n=len(rows)),
            inspect=inspect,
        )
        if len(data.test):
            metrics, reference = measure(session, spec, data.test), reference_of(session, written, spec, data.test)
            spec = spec.model_copy(update={"metrics": metrics, "reference": reference})
        files, answers = golden_answers(data.name, spec, torch_scores)
        write_files(fresh, spec, files, answers, tolerance=TOLERANCE)
    return spec


def drop_notes(model: onnx.ModelProto) -> None:
    """The exporter writes a stack trace with the paths of this machine beside every node."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del each.metadata_props[:]


def rows_for_parity(data: DataSet) -> Any:
    """Of the validation rows as many as can be run in a moment; our own drawings where there are none."""
    if not len(data.validation):
        assert isinstance(data.input, ImageInput)
        return np.stack([open_picture(each).decode(data.input) for each in golden.pictures(data.name).values()])
    return data.validation.rows[: 500 if isinstance(data.input, SentenceInput) or data.input.height <= 64 else 32]


def scorer(task: Task, temperature: float) -> Any:
    """Rows as the service has them -> the scores of the torch net, its word vectors rounded as the file stores them."""
    net = task.net.eval()
    if isinstance(task, PictureTask):
        servable = Servable(task.pixels, net, temperature=temperature).eval()
        return lambda rows: servable(torch.from_numpy(np.array(rows))).detach().numpy()
    assert isinstance(task, SentenceTask)
    words = task.words
    round_as_stored(net)
    return lambda rows: (
        torch.softmax(net(torch.from_numpy(word_ids(list(rows), words))) / temperature, 1).detach().numpy()
    )


@torch.no_grad()
def round_as_stored(net: nn.Module) -> None:
    assert isinstance(net, TextCNN)
    tables = [table.weight for table in net.tables if isinstance(table, nn.Embedding)]
    tables[0].copy_(torch.stack(tables).sum(0))  # channels are added, so one table can hold them all
    for other in tables[1:]:
        other.zero_()
    for weight in (tables[0], *(conv.weight for conv in net.convs)):
        assert isinstance(weight, torch.Tensor)
        weight.copy_(weight.half().float())


def graph_of(task: Task, temperature: float) -> onnx.ModelProto:
    if isinstance(task, SentenceTask):
        weights = {key: value.numpy() for key, value in task.net.state_dict().items()}
        named = {"table": weights["tables.0.weight"], "output": weights["output.weight"]}
        named["output_bias"] = weights["output.bias"]
        for at, width in enumerate((3, 4, 5)):
            named[f"conv{width}"], named[f"bias{width}"] = weights[f"convs.{at}.weight"], weights[f"convs.{at}.bias"]
        return text_graph(task.words, named, temperature=temperature)
    assert isinstance(task, PictureTask)
    servable = Servable(task.pixels, task.net, temperature=temperature).eval()
    given = task.data.input
    assert isinstance(given, ImageInput)
    example = torch.zeros(2, given.height, given.width, given.channels, dtype=torch.uint8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of every package that it could also do without
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch warns of a name that it uses itself
        program = torch.onnx.export(
            servable,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["scores"],
            dynamic_shapes={"image": {0: torch.export.Dim("N")}},
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    model.ir_version = IR
    return model


def check_parity(session: Session, rows: Any, torch_scores: Any) -> float:
    given = rows if isinstance(rows, np.ndarray) else np.array(rows, dtype=object)
    found = session.run(given)
    difference = float(np.abs(found - torch_scores(rows)).max())
    if not difference <= PARITY:
        raise ExportRefused(f"ONNX Runtime and torch differ by {difference:.1e}, more than {PARITY:.0e}")
    if not np.allclose(found.sum(1), 1, atol=1e-5):
        raise ExportRefused("the scores of a row do not sum to 1")
    return difference


def check_batch_invariance(session: Session, rows: Any) -> None:
    """An answer never depends on who shares the batch."""
    given = rows[:64] if isinstance(rows, np.ndarray) else np.array(rows[:64], dtype=object)
    together = session.run(given)
    alone = np.concatenate([session.run(given[at : at + 1]) for at in range(len(given))])
    if not np.allclose(together, alone, atol=PARITY) or (together.argmax(1) != alone.argmax(1)).any():
        raise ExportRefused(f"answers change by {np.abs(together - alone).max():.1e} with the batch they are in")


def golden_answers(data: str, spec: ModelSpec, torch_scores: Any) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files of golden/, and the rows of golden.json."""
    if isinstance(spec.input, SentenceInput):
        sentences = golden.SENTENCES["trec" if data == "trec" else "mr"]
        files = {"sentences.json": (json.dumps(sentences, indent=1, ensure_ascii=False) + "\n").encode()}
        scores = torch_scores(sentences)
        return files, [{"sentence": at, "scores": row.tolist()} for at, row in enumerate(scores)]
    files = golden.pictures(data)
    scores = torch_scores(rows_of(list(files.values()), spec))
    return files, [{"file": file, "scores": row.tolist()} for file, row in zip(files, scores, strict=True)]


if __name__ == "__main__":
    raise SystemExit(main())
