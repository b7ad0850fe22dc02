"""Models that only a benchmark needs: nets of random weights, by our own scripts, and the sentence net as written.

A run takes as long with random weights as with trained ones once the statistics of BatchNorm are those of pictures;
what such a model answers means nothing, and is proven when it is loaded like any other.
"""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from benchmarks.bodies import photo
from scripts.datasets import DataSet, Split
from scripts.export import place
from scripts.official import packages
from scripts.precision import Choice, prepare, to_int8
from scripts.preprocessing import image_input
from scripts.quantize import place as place_quantized
from scripts.recipes import Recipe
from scripts.task import PictureTask, make_picture_task
from scripts.textgraph import finish
from service.engine.session import Session
from service.images import open_picture
from service.spec import ImageInput, read_spec

CALIBRATING = 32  # pictures
LEAD = 50.0  # of the first label over the others, so that rounding to 8 bits changes no golden label
WIDTHS = (3, 4, 5)


def random_model(net: str, variant: str, labels: int, *, models: Path, name: str) -> Path:
    """A version folder: made once, found there the next time."""
    folder = models / name / "1"
    if (folder / "model.json").exists():
        return folder
    torch.manual_seed(0)
    given = image_input(net, variant, None, [224])
    nothing = Split("none", np.empty((0, given.height, given.width, given.channels), np.uint8), np.empty(0, np.int64))
    names = tuple(f"label {at}" for at in range(labels))
    source = "mnist" if given.channels == 1 else "imagenet"
    data = DataSet(source, names, nothing, nothing, nothing, "none: random weights", given)
    task = make_picture_task(net, variant, data, Recipe(epochs=0, batch=1, rate=0.0))
    calibrate(task, pictures(given))
    run = {
        "net": {"name": net, "variant": variant, "parameters": sum(each.numel() for each in task.net.parameters())},
        "calibration": None,
        "baseline": None,
        "training": {
            "data": "none: random weights",
            "split_sizes": {},
            "command": "python -m benchmarks.report",
            "seed": 0,
            "epochs": 0,
            "best_epoch": 0,
            "minutes": 0.0,
            "date": date.today().isoformat(),
            "packages": packages(),
            "licence": "none needed",
        },
    }
    place(task, data, run, name=name, version=1, replace=True, models=models)
    return folder


def pictures(given: ImageInput) -> npt.NDArray[np.uint8]:
    """N x H x W x C of generated photos."""
    return np.stack([open_picture(photo(seed)).decode(given) for seed in range(CALIBRATING)])


@torch.no_grad()
def calibrate(task: PictureTask, rows: npt.NDArray[np.uint8]) -> None:
    """The statistics of every BatchNorm become those of these pictures."""
    for layer in task.net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the plain mean over all batches
    output = [layer for layer in task.net.modules() if isinstance(layer, nn.Linear)][-1]
    output.bias[0] += LEAD
    task.net.train()
    for part in np.array_split(rows, len(rows) // 8):
        task.net(task.pixels(torch.from_numpy(part)))
    task.net.eval()


def int8_model(source: Path, *, name: str) -> Path:
    """The same net in 8 bits, as scripts.quantize makes it, calibrated on generated photos."""
    folder = source.parent.parent / name / "1"
    if (folder / "model.json").exists():
        return folder
    spec = read_spec(source / "model.json")
    assert isinstance(spec.input, ImageInput)
    work = folder.parent.with_name(f".{name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        graph = to_int8(prepare(source / "model.onnx", work), pictures(spec.input), Choice("MinMax", ()))
    finally:
        shutil.rmtree(work)
    quantized = spec.model_copy(update={"name": name, "inspect": None})
    before = Session((source / "model.onnx").read_bytes(), provider="cpu", folder=source)
    place_quantized(source, folder, graph, "int8", quantized, before, tolerance=0.05)
    return folder


def copies(model: Path, count: int, folder: Path) -> Path:
    """A models folder with so many models, all the same but for their names."""
    spec = json.loads((model / "model.json").read_text())
    for number in range(count):
        copy = folder / (spec["name"] if number == 0 else f"{spec['name']}-{number}") / "1"
        shutil.copytree(model, copy)
        (copy / "model.json").write_text(json.dumps({**spec, "name": copy.parent.name}))
    return folder


def plain_text_graph(model: Path) -> bytes:
    """The same weights without the folded table, N x L word ids -> scores: a look-up of vectors and three convolutions,
    as Kim 2014 writes the net and as any exporter would."""
    folded = onnx.load(model / "model.onnx").graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in folded.initializer}
    maps = values["output.weight"].shape[1] // len(WIDTHS)
    kept: dict[str, npt.NDArray[Any]] = {
        "vectors": values["embedding"].astype(np.float32),
        "time": np.array([2], np.int64),
        **{name: values[name] for name in ("output.weight", "output.bias", "temperature")},
    }
    nodes = [
        helper.make_node("Gather", ["vectors", "ids"], ["looked_up"], axis=0),  # N x L x 300
        helper.make_node("Transpose", ["looked_up"], ["turned"], perm=[0, 2, 1]),  # N x 300 x L
    ]
    column = 0
    for width in WIDTHS:
        taps = values["taps"][:, column : column + width * maps].astype(np.float32).reshape(-1, width, maps)
        column += width * maps
        kept[f"conv{width}.weight"] = taps.transpose(2, 0, 1)  # maps x 300 x width
        kept[f"conv{width}.bias"] = values[f"conv{width}.bias"]
        nodes += [
            helper.make_node("Conv", ["turned", f"conv{width}.weight", f"conv{width}.bias"], [f"conv{width}"]),
            helper.make_node("Relu", [f"conv{width}"], [f"relu{width}"]),
            helper.make_node("ReduceMax", [f"relu{width}", "time"], [f"pool{width}"], keepdims=0),
        ]
    nodes += [
        helper.make_node("Concat", [f"pool{width}" for width in WIDTHS], ["features"], axis=1),
        helper.make_node("Gemm", ["features", "output.weight", "output.bias"], ["logits"], transB=1),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Softmax", ["calibrated"], ["scores"], axis=1),
    ]
    weights = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in kept.items()]
    graph = finish(nodes, "scores", TensorProto.FLOAT, weights, ["N", int(values["output.bias"].size)])
    del graph.graph.input[:]
    graph.graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", "L"]))
    written: bytes = graph.SerializeToString()
    return written


def word_ids(model: Path, sentences: Any) -> list[npt.NDArray[np.int64]]:
    """1 x L padded ids of each sentence, by the front of the model's own graph."""
    graph = onnx.load(model / "model.onnx")
    del graph.graph.output[:]
    graph.graph.output.append(onnx.ValueInfoProto(name="padded"))
    front = Session(graph.SerializeToString(), provider="cpu")
    return [np.asarray(front.run(sentences[at : at + 1])) for at in range(len(sentences))]
