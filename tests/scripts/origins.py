"""Classifiers as others make them: the light ones of the onnx package, exports of torch, one in Keras's manner."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from scripts import golden

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def light(name: str, folder: Path) -> Path:
    """A light model of the onnx package, whose weights are all alike, with random ones that tell pictures apart."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    random = np.random.default_rng(0)
    shapes = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer}
    made = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    for node in made:
        shape = shapes[node.input[0]]
        spread = np.sqrt(2 / np.prod(shape[1:]))  # He et al. 2015
        array = random.normal(0, spread, shape) if len(shape) > 1 else random.uniform(0.5, 1.5, shape)
        add_constant(model, node.output[0], array)
        model.graph.node.remove(node)
    centre_logits(model)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


def add_constant(model: onnx.ModelProto, name: str, array: npt.NDArray[np.float64]) -> None:
    """An initializer, and the input that IR 3 wants for it."""
    model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))


def centre_logits(model: onnx.ModelProto) -> None:
    """Two pictures differ by about 1 in each logit, so that no label wins them all."""
    softmax = model.graph.node[-1]
    assert softmax.op_type == "Softmax"
    logits = softmax.input[0]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output[0].CopyFrom(helper.make_tensor_value_info(logits, TensorProto.FLOAT, None))
    session = ort.InferenceSession(probe.SerializeToString(), quiet())
    pixels = [
        np.asarray(draw(224), np.float32)[..., ::-1].transpose(2, 0, 1) - 110 for draw in (golden.ship, golden.truck)
    ]
    first, second = (session.run(None, {session.get_inputs()[0].name: row[np.newaxis]})[0] for row in pixels)
    add_constant(model, "centre", (first + second) / 2)
    add_constant(model, "spread", np.std(first - second).reshape(1))
    model.graph.node.pop()
    model.graph.node.append(helper.make_node("Sub", [logits, "centre"], ["centred"]))
    model.graph.node.append(helper.make_node("Div", ["centred", "spread"], ["spread_out"]))
    softmax.input[0] = "spread_out"
    model.graph.node.append(softmax)


def quiet() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return options


class SmallNet(nn.Module):
    """3 x 32 x 32 -> 5 logits, in torchvision's manner."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Linear(8 * 8 * 8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)  # N x 8 x 8 x 8
        logits: torch.Tensor = self.classifier(x.reshape(x.shape[0], -1))
        return logits


def torch_export(
    folder: Path,
    *,
    dynamic: bool,
    net: nn.Module | None = None,
    batch: int = 2,
    shape: tuple[int, int, int] = (3, 32, 32),
) -> Path:
    torch.manual_seed(0)
    net = net or SmallNet()
    path = folder / "small.onnx"
    program = torch.onnx.export(
        net.eval(),
        (torch.rand(batch, *shape),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic else None,
        verbose=False,
    )
    assert program is not None
    program.save(path)
    return path


def keras_like(folder: Path, ending: str = "Softmax", height: int | None = 24, width: int | None = 16) -> Path:
    """N x H x W x 3 floats -> N x 4, transposed inside, as tf2onnx writes what Keras trained."""
    random = np.random.default_rng(1)
    nodes = [
        helper.make_node("Transpose", ["input_1"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Squeeze", ["pooled", "axes"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["logits"]),
        helper.make_node(ending, ["logits"], ["scores"]),
    ]
    constants = {
        "kernel": random.normal(size=(6, 3, 3, 3)).astype(np.float32),
        "axes": np.array([2, 3], np.int64),
        "dense": random.normal(size=(6, 4)).astype(np.float32) * 3,
    }
    graph = helper.make_graph(
        nodes,
        "keras",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, [None, height, width, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 4])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = folder / "keras.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    return path
