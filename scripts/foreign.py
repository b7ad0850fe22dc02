"""An ONNX classifier of any origin, as it was found: one float picture tensor in, one number a label out.

Every way in which it may not fit is refused in words, with the remedy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, version_converter
from onnx.inliner import inline_local_functions

from service.engine.proof import DOMAINS

Floats = npt.NDArray[np.float32]
OLDEST, UPGRADE = 7, 13  # the opset since which Mul and Add broadcast as our layers need it; what older ones become
PASSED = {"Identity", "Flatten", "Reshape", "Squeeze", "Dropout"}  # what changes no number of the last layer


class AdoptRefused(Exception):
    pass


@dataclass(frozen=True)
class Foreign:
    original: onnx.ModelProto
    model: onnx.ModelProto  # the same, in the form that layers can be put round
    input: str
    output: str
    batch: int | None  # None: dynamic
    layout: Literal["nchw", "nhwc"]
    height: int
    width: int
    channels: Literal[1, 3]
    session: ort.InferenceSession

    def run(self, pixels: Floats) -> Floats:
        """The graph as it came, its own batch after the other. N x H x W x C -> N x K."""
        given = pixels if self.layout == "nhwc" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        batch = self.batch or 1
        given = np.concatenate([given, np.repeat(given[-1:], -len(given) % batch, axis=0)])
        try:
            answers = [
                self.session.run([self.output], {self.input: given[at : at + batch]})[0]
                for at in range(0, len(given), batch)
            ]
        except Exception as error:
            raise AdoptRefused(
                f"the graph can not run pictures of {self.height} x {self.width} ({one_line(error)}): give the "
                "--size that it was trained with"
            ) from error
        if not all(isinstance(answer, np.ndarray) and answer.dtype == np.float32 for answer in answers):
            raise AdoptRefused(
                f"the output {self.output!r} is not a float32 tensor: choose another one with --output, or export the "
                "net without the step that follows its scores"
            )
        if not all(answer.ndim >= 2 and len(answer) == batch for answer in answers):
            raise AdoptRefused(
                f"the output {self.output!r} has shape {list(answers[0].shape)} for a batch of {batch}: expected "
                f"[{batch}, labels]; choose another one with --output"
            )
        scores: Floats = np.concatenate([answer.reshape(batch, -1) for answer in answers])[: len(pixels)]
        if not np.isfinite(scores).all():
            raise AdoptRefused(
                "the graph answers with infinite numbers or none: are --mean, --std, --value-range its own?"
            )
        return scores

    @property
    def ending(self) -> str:
        """The operator that makes the output, what only reshapes it left aside."""
        makers = {name: node for node in self.model.graph.node for name in node.output}
        name = self.output
        while name in makers and makers[name].op_type in PASSED:
            name = makers[name].input[0]
        return makers[name].op_type if name in makers else ""


def read_foreign(path: Path, *, output: str | None, layout: str | None, size: tuple[int, int] | None) -> Foreign:
    """`size`: height, width. Raises AdoptRefused."""
    try:
        model = onnx.load(path)
    except Exception as error:  # the system's, protobuf's and onnx's own
        raise AdoptRefused(
            f"{path} can not be read as an ONNX file with its weights beside it: {one_line(error)}"
        ) from error
    if not model.graph.node:
        raise AdoptRefused(f"{path} is not an ONNX file, or holds an empty graph")
    check_operators(model)
    given, dims = the_input(model)
    layout, channels = the_layout(dims, layout)
    spatial = dims[2:] if layout == "nchw" else dims[1:3]
    height, width = (the_size(found, wanted) for found, wanted in zip(spatial, size or (None, None), strict=True))
    session = open_session(path, model)
    return Foreign(
        original=model,
        model=standard(model),
        input=given,
        output=the_output(model, output),
        batch=dims[0],
        layout="nchw" if layout == "nchw" else "nhwc",
        height=height,
        width=width,
        channels=channels,
        session=session,
    )


def open_session(path: Path, model: onnx.ModelProto) -> ort.InferenceSession:
    """The file itself, as anyone would run it."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise AdoptRefused(
            f"ONNX Runtime {ort.__version__} can not run the graph (IR version {model.ir_version}, opset "
            f"{opset_of(model)}): {one_line(error)}. If a version is too new, export again with an older one, such as "
            "opset_version=20; if an operator is missing, export with standard operators only"
        ) from error


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def opset_of(model: onnx.ModelProto) -> int:
    return next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)


def nodes_of(graph: Any) -> Iterator[onnx.NodeProto]:
    """Those of the branches and loops inside, too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from nodes_of(inner)


def check_operators(model: onnx.ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    foreign = {
        f"{node.domain}.{node.op_type}"
        for graph in (model.graph, *model.functions)
        for node in nodes_of(graph)
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own
    }
    if foreign:
        raise AdoptRefused(
            f"the graph uses the operators {', '.join(sorted(foreign))}: allowed are those of "
            f"{', '.join(DOMAINS[1:])}; export it with standard operators only"
        )


def standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """Local functions inlined, and an opset that our own layers can be put into."""
    if model.functions:
        model = inline_local_functions(model)
    if opset_of(model) >= OLDEST:
        return model
    try:
        return version_converter.convert_version(model, UPGRADE)
    except Exception as error:
        raise AdoptRefused(
            f"the graph is of opset {opset_of(model)}, older than {OLDEST}, and onnx can not bring it to {UPGRADE} "
            f"({one_line(error)}): export it again with opset_version=20"
        ) from error


def the_input(model: onnx.ModelProto) -> tuple[str, list[int | None]]:
    """Its name and dimensions, None where dynamic."""
    constants = {tensor.name for tensor in model.graph.initializer}  # which old files list as inputs, too
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(repr(each.name) for each in inputs) or "none"
        raise AdoptRefused(
            f"the graph has {len(inputs)} inputs ({names}): expected one, the picture; export the net with the others "
            "as constants"
        )
    kind = inputs[0].type.tensor_type
    if kind.elem_type == TensorProto.STRING:
        raise AdoptRefused("the graph takes text: only classifiers of pictures can be adopted")
    if kind.elem_type != TensorProto.FLOAT:
        found = TensorProto.DataType.Name(kind.elem_type).lower()
        raise AdoptRefused(
            f"the input {inputs[0].name!r} is {found}: expected float (float32); export the net in float32, such as "
            "net.float(), without its own step from bytes to floats"
        )
    dims = [dim.dim_value or None for dim in kind.shape.dim]
    if len(dims) != 4:
        raise AdoptRefused(
            f"the input {inputs[0].name!r} has {len(dims)} dimensions: expected 4, N x C x H x W or N x H x W x C; "
            "export the net with pictures as its input"
        )
    return inputs[0].name, dims


def the_layout(dims: list[int | None], layout: str | None) -> tuple[str, Literal[1, 3]]:
    """The one asked for, else the one whose channels are 1 or 3."""
    at = {"nchw": 1, "nhwc": 3}
    fits = [word for word in at if dims[at[word]] in (1, 3)]
    if layout is None and len(fits) == 2:
        raise AdoptRefused(f"the input {dims} may be N x C x H x W or N x H x W x C: say --layout nchw or nhwc")
    if not fits or (layout is not None and layout not in fits):
        raise AdoptRefused(
            f"the input {dims} (None: dynamic) has no channels dimension of 1 or 3 where {layout or 'nchw or nhwc'} "
            "needs it: export the net with its number of channels fixed"
        )
    chosen = layout or fits[0]
    return chosen, 1 if dims[at[chosen]] == 1 else 3


def the_size(found: int | None, wanted: int | None) -> int:
    if found is None and wanted is None:
        raise AdoptRefused("the graph takes pictures of any height or width: say --size, the one it was trained with")
    if found is not None and wanted is not None and found != wanted:
        raise AdoptRefused(
            f"the graph takes {found} pixels where --size says {wanted}: leave --size out, or export again"
        )
    return found or wanted or 0


def the_output(model: onnx.ModelProto, wanted: str | None) -> str:
    names = [str(each.name) for each in model.graph.output]
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is not None and wanted in names:
        return wanted
    what = f"no output {wanted!r}" if wanted else f"{len(names)} outputs"
    raise AdoptRefused(f"the graph has {what}: choose one with --output, of {', '.join(names)}")
