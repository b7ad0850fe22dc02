import torch

from nets.convnetjs import ConvNetJS
from tests.nets.facts import multiply_adds, parameters, shapes


def test_the_net_is_the_demo_s() -> None:
    net, picture = ConvNetJS(), torch.zeros(1, 3, 32, 32)
    assert [parameters(layer) for layer in net.children()] == [1_216, 8_020, 10_020, 3_210]
    assert parameters(net) == 22_466
    assert shapes(net, picture) == [(16, 32, 32), (20, 16, 16), (20, 8, 8), (10,)]
    assert multiply_adds(net, picture) == 3_920_000
