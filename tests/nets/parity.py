"""A net in torch against its exported graph in ONNX Runtime."""

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from scripts.textgraph import IR, OPSET
from service.engine.session import Session


def exported(net: nn.Module, given: Tensor) -> onnx.ModelProto:
    """As scripts.export does it: opset and IR pinned, a dynamic batch axis, one file."""
    program = torch.onnx.export(
        net.eval(),
        (given,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["x"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    program.model_proto.ir_version = IR
    return program.model_proto


@torch.no_grad()
def difference(net: nn.Module, graph: onnx.ModelProto, given: Tensor) -> float:
    """The largest difference of a logit, over the given rows together and the first of them alone, relative to the
    largest logit."""
    session = Session(graph.SerializeToString(), provider="cpu")
    largest = 0.0
    for rows in (given, given[:1]):
        logits = net.eval()(rows).numpy()
        largest = max(largest, float(np.abs(session.run(rows.numpy()) - logits).max() / np.abs(logits).max()))
    return largest


@torch.no_grad()
def unlike(net: nn.Module) -> None:
    """No two weights alike, and none that changes nothing: the exporter stores equal tensors once."""
    for module in net.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor.ndim == 1:
                tensor += torch.rand_like(tensor) * (1.0 if name == "running_var" else 0.1)


def stored(graph: onnx.ModelProto) -> int:
    """Numbers in the graph's weights, its constants of a few left out."""
    sizes = [int(np.prod(tensor.dims)) for tensor in graph.graph.initializer]
    return sum(size for size in sizes if size > 8)
