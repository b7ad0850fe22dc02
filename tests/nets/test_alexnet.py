import pytest
import torch
from torch import nn

from nets.alexnet import AlexNet, AlexNetOf2014
from tests.nets.facts import multiply_adds, parameters, shapes
from tests.nets.parity import difference, exported, stored, unlike


def counts(net: nn.Module) -> list[int]:
    return [parameters(layer) for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def test_the_parameters_are_those_of_the_paper() -> None:
    net = AlexNet()
    convolutions = [34_944, 307_456, 885_120, 663_936, 442_624]
    assert counts(net) == [*convolutions, 37_752_832, 16_781_312, 4_097_000]
    assert parameters(net) == 60_965_224


def test_the_shapes_and_multiply_adds_are_those_of_the_paper() -> None:
    net, picture = AlexNet(), torch.zeros(1, 3, 227, 227)
    assert shapes(net, picture) == [
        *((96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)),
        *((4096,), (4096,), (1000,)),
    ]
    assert net.fc6.in_features == 256 * 6 * 6
    assert multiply_adds(net, picture) == 724_406_816


def test_responses_are_normalised_before_the_first_two_poolings_by_the_paper_s_constants() -> None:
    net = AlexNet(10)
    seen: list[tuple[int, ...]] = []
    net.lrn.register_forward_hook(lambda _, inputs, out: seen.append(tuple(out.shape[1:])))
    net.eval()(torch.zeros(1, 3, 227, 227))
    assert seen == [(96, 55, 55), (256, 27, 27)]
    maps = torch.randn(1, 96, 3, 3) * 100
    assert torch.allclose(net.lrn(maps), nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)(maps), rtol=1e-5)


def test_weights_start_as_in_the_paper() -> None:
    net = AlexNet(10)
    for layer in (net.conv1, net.conv3, net.fc6, net.fc8):
        assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    biases = [parameter.detach().unique().tolist() for name, parameter in net.named_parameters() if "bias" in name]
    assert biases == [[0], [1], [0], [1], [1], [1], [1], [0]]


def test_half_of_the_outputs_of_fc6_and_fc7_are_dropped_in_training_only() -> None:
    net = AlexNet(10)
    given: list[torch.Tensor] = []
    for layer in (net.fc6, net.fc7):
        nn.init.zeros_(layer.weight)  # every output is its bias, 1
    for layer in (net.fc7, net.fc8):
        layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    picture = torch.zeros(1, 3, 227, 227)
    net.train()(picture)
    net.eval()(picture)
    assert [x.unique().tolist() for x in given] == [[0, 2], [0, 2], [1], [1]]
    assert [float((x == 0).float().mean()) for x in given[:2]] == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_form_of_2014_has_the_parameters_and_shapes_of_the_published_weights() -> None:
    net, picture = AlexNetOf2014(), torch.zeros(1, 3, 224, 224)
    assert counts(net)[0] == 23_296
    assert parameters(net) == 61_100_840
    assert shapes(net, picture) == [
        *((64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13)),
        *((4096,), (4096,), (1000,)),
    ]
    assert multiply_adds(net, picture) == 714_188_480


def test_the_form_of_2014_takes_pictures_of_63_pixels_and_more() -> None:
    net = AlexNetOf2014(10).eval()
    for height, width in ((63, 63), (64, 300)):
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 10)


@pytest.mark.parametrize(("form", "size"), [(AlexNet, 227), (AlexNetOf2014, 224)])
def test_the_graph_answers_as_torch_does(form: type[nn.Module], size: int) -> None:
    torch.manual_seed(0)
    net, pictures = form(10), torch.randn(3, 3, size, size)
    unlike(net)
    graph = exported(net, pictures)
    assert stored(graph) == parameters(net)
    assert difference(net, graph, pictures) < 1e-4
