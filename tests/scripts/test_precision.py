from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from nets.servable import Pixels
from scripts.export import graph_of
from scripts.graphfile import write_graph
from scripts.precision import Choice, choices, prepare, steps_for, to_fp16, to_int8
from scripts.recipes import RECIPES
from scripts.task import PictureTask
from service.engine.session import Session
from tests.scripts.conftest import tiny_colours

MINMAX = Choice("MinMax", ())


class Residual(nn.Module):
    """N x 3 x 32 x 32 -> N x 10, with one shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.output = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x) + x)
        logits: Tensor = self.output(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    task = PictureTask(Residual(), tiny_colours(), RECIPES["convnetjs", "cifar10"], Pixels())
    folder = tmp_path_factory.mktemp("residual")
    (folder / "model.onnx").write_bytes(graph_of(task, 1.5).SerializeToString())
    return prepare(folder / "model.onnx", folder)


@pytest.fixture(scope="module")
def int8(prepared: Path) -> onnx.ModelProto:
    return onnx.load_from_string(to_int8(prepared, tiny_colours().train.rows[:64], MINMAX))


def test_weights_that_lie_in_a_file_of_their_own_are_prepared_like_others(prepared: Path, tmp_path: Path) -> None:
    model = onnx.load(prepared.with_name("model.onnx"))
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "work").mkdir()
    found = prepare(tmp_path / "model.onnx", tmp_path / "work")
    (tmp_path / "weights").unlink()
    image = tiny_colours().test.rows[:4]
    scores = [Session(path.read_bytes(), provider="cpu").run(image) for path in (found, prepared)]
    assert np.array_equal(*scores)


def makers(graph: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in graph.graph.node for name in node.output}


def nodes(graph: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in graph.graph.node if node.op_type == kind]


def test_weights_are_symmetric_in_7_bits_with_a_scale_for_each_filter(int8: onnx.ModelProto) -> None:
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in int8.graph.initializer}
    trained = nodes(int8, "Conv") + nodes(int8, "Gemm")
    assert len(trained) == 3
    for node in trained:
        weight, scale, zero = (arrays[name] for name in makers(int8)[node.input[1]].input)
        assert weight.dtype == np.int8
        assert np.abs(weight.astype(int)).max() <= 64
        assert scale.shape == (len(weight),)
        assert not zero.any()


def test_both_sides_of_a_shortcut_are_added_in_int8(int8: onnx.ModelProto) -> None:
    _, add = nodes(int8, "Add")  # the first one shifts the pixels
    assert [makers(int8)[name].op_type for name in add.input] == ["DequantizeLinear"] * 2
    assert any(
        node.op_type == "Relu" and makers(int8)[node.input[0]].op_type == "DequantizeLinear" for node in int8.graph.node
    )


def test_what_is_before_the_first_and_after_the_last_layer_stays_in_float(int8: onnx.ModelProto) -> None:
    (scale,), (shift, _), (divide,) = nodes(int8, "Mul"), nodes(int8, "Add"), nodes(int8, "Div")
    assert [makers(int8)[node.input[0]].op_type for node in (scale, shift, divide)] == ["Cast", "Mul", "Gemm"]


def test_the_same_rows_give_the_same_bytes(prepared: Path, int8: onnx.ModelProto, tmp_path: Path) -> None:
    again = tmp_path / "prepared.onnx"
    again.write_bytes(prepared.read_bytes())
    rows = tiny_colours().train.rows[:64]
    fresh, stored = (
        to_int8(again, rows, MINMAX) for _ in range(2)
    )  # the second time calibration is read from its file
    assert fresh == stored == int8.SerializeToString(deterministic=True)


def test_layers_can_be_left_in_float_and_a_grey_first_one_always_is(prepared: Path) -> None:
    rows = tiny_colours().train.rows[:64]
    graph = onnx.load_from_string(to_int8(prepared, rows, Choice("Percentile", ("first", "last"))))
    first, second = nodes(graph, "Conv")
    assert first.input[1] not in makers(graph)
    assert second.input[1] in makers(graph)
    assert nodes(graph, "Gemm")[0].input[1] not in makers(graph)
    grey = onnx.load(prepared)
    (weight,) = [tensor for tensor in grey.graph.initializer if tensor.name == first.input[1]]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:, :1].copy(), weight.name))
    assert choices(onnx.load(prepared))[0].float_layers == ()
    assert all("first" in choice.float_layers for choice in choices(grey))


def test_no_byte_lies_in_the_middle_of_two_steps_of_the_first_layer_s_input() -> None:
    pixels = np.arange(256, dtype=np.float32) / np.float32(255)
    for values in (pixels - np.float32(0.5), pixels):
        low, high = steps_for(values)
        steps = values / ((high - low) / 255)
        assert np.abs(steps - np.floor(steps) - 0.5).min() > 1e-3
        assert len(set(np.round(steps))) >= 253
    assert steps_for(pixels) == (0, 1)


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_the_answers_stay_near_in_any_batch(prepared: Path, int8: onnx.ModelProto, kind: str) -> None:
    graph = int8.SerializeToString() if kind == "int8" else to_fp16(prepared)
    quantized, session = Session(graph, provider="cpu"), Session(prepared.read_bytes(), provider="cpu")
    assert quantized.inputs == session.inputs
    rows = tiny_colours().test.rows
    for n in (1, 3, 40):
        scores = quantized.run(rows[:n])
        assert scores.dtype == np.float32
        assert np.abs(scores - session.run(rows[:n])).max() < (0.02 if kind == "int8" else 0.002)
        assert np.abs(scores.sum(1) - 1).max() < 1e-6


def test_fp16_halves_the_weights_and_leaves_a_shared_constant_to_its_other_user(tmp_path: Path) -> None:
    """Pixels are scaled by a number that is used again between the layers."""
    steps = [
        helper.make_node("Transpose", ["image"], ["bytes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bytes"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "small"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "filters"], ["maps"]),
        helper.make_node("Mul", ["maps", "small"], ["fewer"]),
        helper.make_node("Flatten", ["fewer"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    random = np.random.default_rng(0)
    arrays = {"small": np.full(1, 1 / 255), "filters": random.normal(size=(4, 3, 8, 8)), "matrix": np.eye(4) * 99}
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])
    wanted = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(steps, "tiny", [given], [wanted], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "a.onnx")
    halved = to_fp16(prepare(tmp_path / "a.onnx", tmp_path))
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load_from_string(halved).graph.initializer}
    assert sorted(kinds.values()) == [TensorProto.FLOAT, *[TensorProto.FLOAT16] * 3]
    rows = random.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    expected = Session((tmp_path / "a.onnx").read_bytes(), provider="cpu").run(rows)
    assert np.abs(Session(halved, provider="cpu").run(rows) - expected).max() < 0.005


def test_weights_that_lie_beside_the_graph_are_prepared_with_it(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.graphfile.LARGE", 0)
    monkeypatch.setattr("scripts.graphfile.PAGE", 64)
    assert write_graph(onnx.load(prepared.with_name("model.onnx")), tmp_path).weights
    (tmp_path / "made").mkdir()
    beside = onnx.load(prepare(tmp_path / "model.onnx", tmp_path / "made"), load_external_data=False)
    assert not any(tensor.external_data for tensor in beside.graph.initializer)
    rows = tiny_colours().train.rows[:4]
    found = Session(beside.SerializeToString(), provider="cpu").run(rows)
    assert np.allclose(found, Session(prepared.read_bytes(), provider="cpu").run(rows))
