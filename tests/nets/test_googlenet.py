from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nets.googlenet import AUX_WEIGHT, GoogLeNet, Variant
from nets.lrn import LocalResponseNorm
from tests.nets.facts import multiply_adds, parameters
from tests.nets.parity import difference, exported, stored, unlike

VARIANTS: tuple[Variant, ...] = get_args(Variant)
# Table 1's rows: parameters with biases, and the shape after each.
BLOCKS = {
    "inception3a": (163_696, (256, 28, 28)),
    "inception3b": (388_736, (480, 28, 28)),
    "inception4a": (376_176, (512, 14, 14)),
    "inception4b": (449_160, (512, 14, 14)),
    "inception4c": (510_104, (512, 14, 14)),
    "inception4d": (605_376, (528, 14, 14)),
    "inception4e": (868_352, (832, 14, 14)),
    "inception5a": (1_043_456, (832, 7, 7)),
    "inception5b": (1_444_080, (1024, 7, 7)),
}


def heads(net: GoogLeNet) -> int:
    return parameters(net.aux1) + parameters(net.aux2)


def test_the_parameters_are_those_of_the_paper_s_filters() -> None:
    net = GoogLeNet()
    assert {name: parameters(net.get_submodule(name)) for name in BLOCKS} == {
        name: n for name, (n, _) in BLOCKS.items()
    }
    assert [parameters(layer) for layer in (net.conv1, net.conv2, net.conv3, net.fc)] == [
        *(9_472, 4_160, 110_784, 1_025_000)
    ]
    assert (parameters(net.aux1), parameters(net.aux2)) == (3_188_840, 3_190_888)
    assert parameters(net) - heads(net) == 6_998_552
    assert parameters(net) == 13_378_280


def test_torchvision_s_form_has_the_parameters_of_the_published_weights() -> None:
    net = GoogLeNet(variant="torchvision")
    assert parameters(net) - heads(net) == 6_624_904
    assert parameters(net) == 13_004_888


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shape_after_every_stage_is_that_of_table_1(variant: Variant) -> None:
    net = GoogLeNet(variant=variant)
    seen: list[tuple[str, tuple[int, ...]]] = []
    for name, stage in net.named_children():
        stage.register_forward_hook(lambda _, inputs, out, name=name: seen.append((name, tuple(out.shape[1:]))))
    net.eval()(torch.zeros(1, 3, 224, 224))
    block = [(name, shape) for name, (_, shape) in BLOCKS.items()]
    assert seen == [
        *(("conv1", (64, 112, 112)), ("pool", (64, 56, 56)), ("lrn", (64, 56, 56))),
        *(("conv2", (64, 56, 56)), ("conv3", (192, 56, 56)), ("lrn", (192, 56, 56)), ("pool", (192, 28, 28))),
        *block[:2],
        ("pool", (480, 14, 14)),
        *block[2:7],
        ("last_pool", (832, 7, 7)),
        *block[7:],
        *(("dropout", (1024,)), ("fc", (1000,))),
    ]


def test_the_multiply_adds_are_those_of_the_filters() -> None:
    picture = torch.zeros(1, 3, 224, 224)
    assert multiply_adds(GoogLeNet(), picture) == 1_582_671_872
    assert round(multiply_adds(GoogLeNet(variant="torchvision"), picture) / 1e9, 3) == 1.498


def test_responses_are_normalised_by_caffe_s_constants() -> None:
    maps = torch.randn(1, 64, 3, 3) * 100
    assert torch.allclose(GoogLeNet(10).lrn(maps), nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)(maps), rtol=1e-5)


def test_the_forms_differ_as_the_docstring_says() -> None:
    paper, torchvision = GoogLeNet(10), GoogLeNet(10, variant="torchvision")
    assert [net.inception3a.branch3[1].conv.kernel_size for net in (paper, torchvision)] == [(5, 5), (3, 3)]
    assert [net.last_pool.kernel_size for net in (paper, torchvision)] == [3, 2]
    assert [net.dropout.p for net in (paper, torchvision)] == [0.4, 0.2]
    assert [isinstance(net.lrn, LocalResponseNorm) for net in (paper, torchvision)] == [True, False]
    assert not any("bn" in key for key in paper.state_dict())
    assert "conv1.conv.bias" not in torchvision.state_dict()
    assert torchvision.conv1.bn.eps == 0.001


@pytest.mark.parametrize("variant", VARIANTS)
def test_pictures_of_32_pixels_and_more_are_answered_in_training_with_both_heads(variant: Variant) -> None:
    net = GoogLeNet(7, variant=variant)
    for height, width in ((32, 32), (45, 97)):
        pictures = torch.randn(2, 3, height, width)
        assert net.eval()(pictures).shape == (2, 7)
        assert [out.shape for out in net.train()(pictures)] == [(2, 7)] * 3


def test_the_heads_train_what_is_below_them_and_nothing_above() -> None:
    net = GoogLeNet(7).train()
    _, aux1, _ = net(torch.randn(2, 3, 64, 64))
    (AUX_WEIGHT * F.cross_entropy(aux1, torch.tensor([1, 2]))).backward()
    trained = {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert trained == {"conv1", "conv2", "conv3", "inception3a", "inception3b", "inception4a", "aux1"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_net_learns(variant: Variant) -> None:
    """Four pictures by heart, through every layer, from the weights that it starts with."""
    torch.manual_seed(0)
    net, pictures, targets = GoogLeNet(4, variant=variant).train(), torch.randn(4, 3, 32, 32), torch.arange(4)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-4)
    for _ in range(22):
        optimizer.zero_grad()
        outputs = net(pictures)
        losses = [F.cross_entropy(out, targets) for out in outputs]
        (losses[0] + AUX_WEIGHT * (losses[1] + losses[2])).backward()
        optimizer.step()
    assert float(losses[0].detach()) < 0.5


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_graph_answers_as_torch_does_and_has_no_heads(variant: Variant) -> None:
    torch.manual_seed(0)
    net, pictures = GoogLeNet(variant=variant), torch.randn(3, 3, 224, 224)
    unlike(net)
    graph = exported(net, pictures)
    assert not any("aux" in tensor.name for tensor in graph.graph.initializer)
    # A batch normalisation is folded into its convolution, which gets a bias of as many numbers as the scale had.
    folded = sum(parameters(layer) // 2 for name, layer in net.named_modules() if name.endswith("bn"))
    folded -= sum(parameters(head.conv.bn) // 2 for head in (net.aux1, net.aux2))
    assert stored(graph) == parameters(net) - heads(net) - folded
    assert difference(net, graph, pictures) < 1e-4
