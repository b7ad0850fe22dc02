"""What is counted in a net: parameters, the shape after each layer, multiply-adds of convolutions and linear layers."""

from typing import Any

from torch import Tensor, nn


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def outputs(net: nn.Module, given: Tensor) -> list[tuple[nn.Module, Tensor]]:
    seen: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: seen.append((layer, out)))
        for layer in net.modules()
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)
    ]
    net.eval()(given)
    for hook in hooks:
        hook.remove()
    return seen


def shapes(net: nn.Module, given: Tensor) -> list[tuple[int, ...]]:
    return [tuple(out.shape[1:]) for _, out in outputs(net, given)]


def multiply_adds(net: nn.Module, given: Tensor) -> int:
    total = 0
    for layer, out in outputs(net, given):
        weight: Any = layer.weight
        total += weight[0].numel() * out[0].numel()
    return total
