"""What happens to the shape on the way through a net: its layers, with the numbers they hold and the work they do.

On torch's meta device, where tensors have shapes and no numbers, this takes a moment for ResNet-152, too.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nets.lenet5 import PartialConv2d
from nets.lrn import LocalResponseNorm

aten = torch.ops.aten
POOLS = {
    aten.max_pool2d_with_indices.default: "max pooling",
    aten.avg_pool2d.default: "average pooling",
}
WHOLE = {
    aten._adaptive_avg_pool2d.default: "average pooling to this size",
    aten.mean.dim: "mean over the picture",
    aten.amax.default: "maximum over the sentence",
    aten.cat.default: "concatenation",
    aten.embedding.default: "word vectors",
}


@dataclass
class Row:
    """A layer; its activation and its normalisation over the batch are a part of it."""

    module: str  # the path in the net, empty for what holds no numbers
    what: str
    shape: tuple[int, ...]  # of its output, without the batch
    parameters: int = 0
    multiply_adds: int = 0
    kernel: tuple[int, ...] = ()  # of a convolution


class Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes a row for every operation that is a layer. `inside`: the modules that are running, the innermost last."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: list[Row] = []
        self.inside: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is aten.convolution.default:
            _, weight, _, stride, padding, _, _, _, groups = args
            said = [f"{times(weight.shape[2:])}, {weight.shape[0]} filters"]
            said += [f"stride {stride[0]}"] if stride[0] > 1 else []
            said += [f"padding {padding[0]}"] if padding[0] else []
            said += [f"{groups} groups"] if groups > 1 else []
            self.add(f"convolution {', '.join(said)}", out, math.prod(weight.shape[1:]) * out[0].numel())
            self.rows[-1].kernel = tuple(weight.shape[2:])
        elif func is aten.addmm.default:
            self.add("fully connected", out, args[1].shape[1] * out.shape[1])
        elif func in POOLS:
            size, stride = args[1], args[2] if len(args) > 2 else args[1]
            self.add(f"{POOLS[func]} {times(size)}, stride {stride[0]}", out[0] if isinstance(out, tuple) else out, 0)
        elif func in WHOLE:
            self.add(WHOLE[func], out, 0)
        return out

    def add(self, what: str, out: Tensor, multiply_adds: int) -> None:
        module = self.inside[-1] if self.inside else ""
        self.rows.append(Row(module, what, tuple(out.shape[1:]), multiply_adds=multiply_adds))


def trace(net: nn.Module, given: Tensor) -> list[Row]:
    """The layers in the order in which they run, of one row."""
    traced = Trace()
    with torch.no_grad(), traced, following(net.eval(), traced):
        net(given)
    return traced.rows


@contextmanager
def following(net: nn.Module, traced: Trace) -> Iterator[None]:
    def entered(name: str) -> Any:
        return lambda *_: traced.inside.append(name)

    def left(module: nn.Module, _: Any, out: Any) -> None:
        if isinstance(module, LocalResponseNorm):
            traced.add("local response normalisation", out, 0)
        row = traced.rows[-1]
        if isinstance(module, PartialConv2d):  # what is not connected is neither trained nor multiplied
            connections = int(module.mask.sum())
            row.what += f", {connections} of {module.mask.numel()} connections"
            row.parameters = module.trained
            row.multiply_adds = connections * math.prod(module.kernel_size) * out[0, 0].numel()
        else:
            row.parameters += sum(parameter.numel() for parameter in module.parameters(recurse=False))
        traced.inside.pop()

    hooks: list[Any] = []
    for name, module in net.named_modules():
        if module is not net and not isinstance(module, nn.ModuleList):
            hooks += [module.register_forward_pre_hook(entered(name)), module.register_forward_hook(left)]
    yield
    for hook in hooks:
        hook.remove()


def times(sides: Any) -> str:
    """`96 x 55 x 55`."""
    return " x ".join(str(side) for side in sides)
