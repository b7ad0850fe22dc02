"""A float graph -> the same graph in 8 bits or in half precision, its first and last layers left in float.

bytes -> *transpose, cast, scale, shift* -> net in int8 or fp16 -> *temperature, softmax* -> scores; between * in float.

int8: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
section 2; one scale for each filter and symmetric weights as in Krishnamoorthi 2018 (arXiv 1806.08342), section 3.
Weights get 7 of the 8 bits: x86 without VNNI adds pairs of products in 16 bits, which hold 2 * 255 * 64 but not
2 * 255 * 127, so every CPU counts the same integers.
"""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from service.engine.session import Session

STRIDE = 32  # rows whose activations are in memory at once
TRAINED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Choice:
    calibration: Literal["MinMax", "Percentile"]
    float_layers: tuple[Literal["first", "last"], ...]

    def __str__(self) -> str:
        layers = f", {' and '.join(self.float_layers)} layer in float" if self.float_layers else ""
        return f"{self.calibration} calibration{layers}"


class CalibrationRows:
    """N x H x W x C, as ONNX Runtime's calibration asks for them."""

    def __init__(self, rows: npt.NDArray[np.uint8]) -> None:
        self.rows = rows
        self.waiting: list[npt.NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.waiting = [self.rows[start_index:end_index]]

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        return {"image": self.waiting.pop()} if self.waiting else None


def choices(graph: onnx.ModelProto) -> list[Choice]:
    """From most to least in int8. A first layer that sees one channel stays in float: int8 kernels take four at a time,
    and LeNet-5's C1 is several times slower in them."""
    in_float: list[tuple[Literal["first", "last"], ...]] = [("first",), ("first", "last")]
    if channels_seen(graph) > 1:
        in_float = [(), ("last",), *in_float]
    return [Choice(calibration, layers) for layers in in_float for calibration in ("MinMax", "Percentile")]


def channels_seen(graph: onnx.ModelProto) -> int:
    first = graph.graph.node[trained(graph)[0]]
    (weight,) = [tensor for tensor in graph.graph.initializer if tensor.name == first.input[1]]
    return int(weight.dims[1])


def trained(graph: onnx.ModelProto) -> list[int]:
    """Where the convolutions and the fully connected layers stand among the nodes."""
    return [at for at, node in enumerate(graph.graph.node) if node.op_type in TRAINED]


def body(graph: onnx.ModelProto) -> slice:
    """The nodes from the first to the last trained layer; the others are the first and last layers of the contract."""
    at = trained(graph)
    return slice(at[0], at[-1] + 1)


def prepare(path: Path, folder: Path) -> Path:
    """Constants and BatchNorm folded, shapes known, every node named; a file in `folder`."""
    whole, ready = folder / "whole.onnx", folder / "prepared.onnx"
    onnx.save(onnx.load(path), whole)  # the optimiser does not find weights that lie beside the graph
    quant_pre_process(whole, ready, skip_symbolic_shape=True)
    graph = onnx.load(ready)
    for at, node in enumerate(graph.graph.node):
        node.name = node.name or f"node{at}"
    # The optimiser names every operator set that it knows; the service runs those it needs.
    used = {node.domain for node in graph.graph.node}
    kept = [opset for opset in graph.opset_import if opset.domain in used]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    onnx.save(graph, ready)
    return ready


def to_int8(prepared: Path, rows: npt.NDArray[np.uint8], choice: Choice) -> bytes:
    """`rows`: N x H x W x C of training data, a multiple of STRIDE. Leaves what calibration found beside `prepared`."""
    graph = onnx.load(prepared)
    nodes, within = list(graph.graph.node), body(graph)
    in_float = [*nodes[: within.start], *nodes[within.stop :]]
    in_float += [nodes[{"first": within.start, "last": within.stop - 1}[layer]] for layer in choice.float_layers]
    seen = nodes[within.start].input[0]
    low, high = steps_for(values_of(graph, seen, rows[:STRIDE]))
    written = prepared.with_name("int8.onnx")
    with redirect_stdout(io.StringIO()):  # the calibrators print
        quantize_static(
            prepared,
            written,
            CalibrationRows(rows),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=[node.name for node in in_float],
            calibrate_method=getattr(CalibrationMethod, choice.calibration),
            calibration_cache_path=prepared.with_name(f"{choice.calibration}.json"),
            extra_options={
                "WeightSymmetric": True,
                "CalibStridedMinMax": STRIDE,
                "CalibPercentile": 99.99,
                "TensorQuantOverrides": {seen: [{"rmin": low, "rmax": high}]}
                if "first" not in choice.float_layers
                else {},
                "QDQKeepRemovableActivations": True,  # a ReLU keeps its name, costs nothing, and can be inspected
            },
        )
    quantized = onnx.load(written)
    keep_logits(quantized, nodes[within.stop - 1].output[0])
    return serialize(quantized)


def values_of(graph: onnx.ModelProto, name: str, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a tensor holds for these rows."""
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    del part.graph.output[:]
    part.graph.output.append(onnx.ValueInfoProto(name=name))
    return Session(part.SerializeToString(), provider="cpu").run(rows)


def steps_for(values: npt.NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """The range that 255 steps divide, for pixels that were bytes. byte / 255 - 0.5 puts each byte in the middle of two
    steps of its own range, where half of the information goes and every processor may round its own way; steps that are
    1 % wider do not meet it like that."""
    low, high = min(values.min(), np.float32(0)), max(values.max(), np.float32(0))

    def error(widening: float) -> float:
        step = (high - low) * widening / 255
        return float(np.abs(np.round(values / step) * step - values).mean())

    widening = np.float32(min((1.0, 1.01), key=error))
    return low * widening, high * widening


def keep_logits(graph: onnx.ModelProto, logits: str) -> None:
    """The sums of the last layer are not rounded: 256 steps are too few for logits, and nothing would be faster."""
    rounded = [node for node in graph.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == logits]
    for quantize in rounded:
        (back,) = [node for node in graph.graph.node if node.input and node.input[0] == quantize.output[0]]
        rename(list(graph.graph.node), back.output[0], logits)
        graph.graph.node.remove(quantize)
        graph.graph.node.remove(back)
    needed = {name for node in graph.graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.graph.initializer if tensor.name not in needed]:
        graph.graph.initializer.remove(tensor)


def to_fp16(prepared: Path) -> bytes:
    """Weights and activations in half precision, for providers that compute in it.

    The body is converted as a graph of its own, which takes and gives floats: the converter would round between the
    first and between the last layers, too, and then the scores of a row do not sum to 1.
    """
    graph = onnx.load(prepared)
    nodes, within = list(graph.graph.node), body(graph)
    before, inner, after = nodes[: within.start], nodes[within], nodes[within.stop :]
    around_reads = {name for node in (*before, *after) for name in node.input}
    around_makes = {value.name for value in graph.graph.input} | {name for node in before for name in node.output}
    constants = []
    for tensor in list(graph.graph.initializer):
        if not any(tensor.name in node.input for node in inner):
            continue
        if tensor.name in around_reads:  # a constant that both use gets a twin, as only one of them is halved
            rename(inner, tensor.name, f"{tensor.name}.halved")
            tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), f"{tensor.name}.halved")
        constants.append(tensor)
    reads = {name for node in inner for name in node.input}
    makes = {name for node in inner for name in node.output}
    known = {value.name: value for value in (*graph.graph.value_info, *graph.graph.input)}
    given = [value for name, value in known.items() if name in reads & around_makes]
    wanted = [value for name, value in known.items() if name in makes & around_reads]
    versions = {"opset_imports": graph.opset_import, "ir_version": graph.ir_version}
    alone = helper.make_model(helper.make_graph(inner, "body", given, wanted, constants), **versions)
    halved = convert_float_to_float16(alone, keep_io_types=True)
    whole = helper.make_graph(
        [*before, *halved.graph.node, *after],
        graph.graph.name,
        graph.graph.input,
        graph.graph.output,
        [*halved.graph.initializer, *(tensor for tensor in graph.graph.initializer if tensor.name in around_reads)],
    )
    model = ONNXModel(helper.make_model(whole, **versions))
    model.topological_sort()
    return serialize(model.model)


def rename(nodes: list[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def serialize(graph: Any) -> bytes:
    graph.producer_name = "maxpool"
    del graph.metadata_props[:]
    onnx.checker.check_model(graph)
    written: bytes = graph.SerializeToString(deterministic=True)
    return written
