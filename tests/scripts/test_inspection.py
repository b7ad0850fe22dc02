from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from scripts.datasets import DataSet, Split
from scripts.export import graph_of
from scripts.inspection import inspect_block
from scripts.preprocessing import image_input
from scripts.recipes import Recipe
from scripts.task import PictureTask, make_picture_task
from service.spec import Inspect


def exported(net: str, variant: str) -> tuple[PictureTask, onnx.ModelProto, Inspect]:
    given = image_input(net, variant, None, [32])
    empty = Split("none", np.empty((0, given.height, given.width, given.channels), np.uint8), np.empty(0, np.int64))
    data = DataSet("none", ("a", "b", "c"), empty, empty, empty, "none", given)
    torch.manual_seed(0)
    task = make_picture_task(net, variant, data, Recipe(epochs=0, batch=1, rate=0.0))
    model = graph_of(task, 1.5)
    return task, model, inspect_block(net, model)


def titles(inspect: Inspect, group: str | None) -> list[str]:
    return [layer.title for layer in inspect.layers if layer.group == group]


def groups(inspect: Inspect) -> list[str]:
    return list(dict.fromkeys(layer.group for layer in inspect.layers if layer.group))


def seen(model: onnx.ModelProto, tensor: str, image: Any) -> Any:
    """A tensor of the graph, as ONNX Runtime computes it."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([tensor], {"image": image})[0]


def test_a_residual_net_is_told_block_by_block_and_each_ends_in_its_sum() -> None:
    task, model, inspect = exported("resnet20", "paper")
    assert inspect.method == "gap_fc"
    assert groups(inspect) == [f"residual block {stage}.{block}" for stage in (1, 2, 3) for block in (1, 2, 3)]
    assert titles(inspect, "residual block 2.1") == [
        *("convolution 8 + ReLU", "convolution 9", "sum with the shortcut 4 + ReLU")
    ]
    assert titles(inspect, None) == ["convolution 1 + ReLU", "global average pooling 1", "fully connected 1"]
    last = next(layer for layer in inspect.layers if layer.title.startswith("global"))
    assert last.pooled_from == "sum9"
    maps: list[torch.Tensor] = []
    task.net.get_submodule("layer2.0").register_forward_hook(lambda _, inputs, out: maps.append(out))
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        task.net.eval()(task.pixels(torch.from_numpy(image)))
    (tensor,) = (layer.tensor for layer in inspect.layers if layer.id == "sum4")
    assert np.abs(seen(model, tensor, image) - maps[0].numpy()).max() < 1e-4


def test_projections_are_told_from_the_convolutions_on_the_way() -> None:
    _, _, inspect = exported("resnet18", "torchvision")
    assert [title for title in titles(inspect, "residual block 3.1") if "shortcut" in title] == [
        *("convolution 13 of the shortcut", "sum with the shortcut 5 + ReLU")
    ]
    assert len([layer for layer in inspect.layers if layer.op == "Add"]) == 8


@pytest.mark.parametrize(("variant", "normalised"), [("paper", 2), ("torchvision", 0)])
def test_an_inception_module_is_a_group_that_pools_what_came_before_and_ends_in_the_concatenation(
    variant: str, normalised: int
) -> None:
    _, _, inspect = exported("googlenet", variant)
    assert groups(inspect) == [f"inception {name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    module = [layer for layer in inspect.layers if layer.group == "inception 3b"]
    assert [layer.op for layer in module] == [*["Conv"] * 5, "MaxPool", "Conv", "Concat"]
    assert module[5].pooled_from == "concatenation1"
    assert titles(inspect, None)[-2:] == ["global average pooling 1", "fully connected 1"]
    assert next(layer for layer in inspect.layers if layer.op == "ReduceMean").pooled_from == "concatenation9"
    assert sum(layer.title.startswith("response normalisation") for layer in inspect.layers) == normalised


def test_the_net_of_1998_is_seen_after_its_tanh_and_its_scores_are_no_sum_of_products() -> None:
    task, model, inspect = exported("lenet5", "1998")
    assert inspect.method == "none"
    assert [layer.title for layer in inspect.layers] == [
        *("convolution 1 + tanh", "average pooling 1 + tanh", "convolution 2 + tanh", "average pooling 2 + tanh"),
        *("convolution 3 + tanh", "fully connected 1 + tanh", "fully connected 2"),
    ]
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), dtype=np.uint8)
    c1 = 1.7159 * torch.tanh(task.net.c1(task.pixels(torch.from_numpy(image))) * 2 / 3)
    assert np.abs(seen(model, inspect.layers[0].tensor, image) - c1.detach().numpy()).max() < 1e-5
    assert exported("lenet5", "modern")[2].method == "mlp_head"


def test_the_last_layer_is_seen_before_the_temperature() -> None:
    task, model, inspect = exported("convnetjs", "demo")
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    logits = task.net.eval()(task.pixels(torch.from_numpy(image))).detach().numpy()
    assert np.abs(seen(model, inspect.layers[-1].tensor, image) - logits).max() < 1e-5
    assert [layer.pooled_from for layer in inspect.layers if layer.op == "MaxPool"] == [
        *("convolution1", "convolution2", "convolution3")
    ]
