from collections.abc import Callable
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets.resnet import (
    BasicBlock,
    Bottleneck,
    CifarBlock,
    CifarResNet,
    ResNet,
    Variant,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from tests.nets.facts import multiply_adds, parameters
from tests.nets.parity import difference, exported, stored, unlike

VARIANTS: tuple[Variant, ...] = get_args(Variant)
# depth -> the net, blocks a stage, parameters, multiply-adds of the paper's form and of torchvision's
RESNETS = {
    18: (resnet18, (2, 2, 2, 2), 11_689_512, (1_814_073_344, 1_814_073_344)),
    34: (resnet34, (3, 4, 6, 3), 21_797_672, (3_663_761_408, 3_663_761_408)),
    50: (resnet50, (3, 4, 6, 3), 25_557_032, (3_857_973_248, 4_089_184_256)),
    101: (resnet101, (3, 4, 23, 3), 44_549_160, (7_570_194_432, 7_801_405_440)),
    152: (resnet152, (3, 8, 36, 3), 60_192_808, (11_282_415_616, 11_513_626_624)),
}
# depth -> parameters, multiply-adds: section 4.2, shortcuts of option A
CIFAR = {
    20: (269_722, 40_551_040),
    32: (464_154, 68_862_592),
    44: (658_586, 97_174_144),
    56: (853_018, 125_485_696),
    110: (1_727_962, 252_887_680),
}


def layers_on_the_way(net: nn.Module) -> int:
    """Convolutions and linear layers, the projections of shortcuts left out: what the paper counts as depth."""
    return sum(
        isinstance(layer, nn.Conv2d | nn.Linear) and "downsample" not in name for name, layer in net.named_modules()
    )


def blocks(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, BasicBlock | Bottleneck | CifarBlock)]


def stages(net: nn.Module, given: Tensor) -> list[tuple[str, tuple[int, ...]]]:
    seen: list[tuple[str, tuple[int, ...]]] = []
    for name, stage in net.named_children():
        stage.register_forward_hook(lambda _, inputs, out, name=name: seen.append((name, tuple(out.shape[1:]))))
    net.eval()(given)
    return seen


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("depth", RESNETS)
def test_parameters_and_multiply_adds_are_those_of_table_1(depth: int, variant: Variant) -> None:
    build, counts, expected, (of_paper, of_torchvision) = RESNETS[depth]
    with torch.device("meta"):  # shapes and counts need no numbers
        net, picture = build(variant=variant), torch.zeros(1, 3, 224, 224)
    assert parameters(net) == expected
    assert multiply_adds(net, picture) == (of_paper if variant == "paper" else of_torchvision)
    assert tuple(len(stage) for stage in (net.layer1, net.layer2, net.layer3, net.layer4)) == counts


@pytest.mark.parametrize("depth", RESNETS)
def test_the_depth_in_the_name_is_that_of_the_layers_on_the_way(depth: int) -> None:
    with torch.device("meta"):
        net = RESNETS[depth][0]()
    assert layers_on_the_way(net) == depth


def test_resnet_152_has_50_skip_connections() -> None:
    with torch.device("meta"):
        net = resnet152()
    assert layers_on_the_way(net) == 1 + 3 * (3 + 8 + 36 + 3) + 1
    assert len(blocks(net)) == 50
    assert sum(isinstance(block.downsample, nn.Sequential) for block in blocks(net)) == 4  # the others add as it is


@pytest.mark.parametrize(("depth", "wide"), [(18, 1), (34, 1), (50, 4), (101, 4), (152, 4)])
def test_the_shape_after_every_stage_is_that_of_table_1(depth: int, wide: int) -> None:
    with torch.device("meta"):
        net, picture = RESNETS[depth][0](), torch.zeros(1, 3, 224, 224)
    assert stages(net, picture) == [
        *(("conv1", (64, 112, 112)), ("bn1", (64, 112, 112))),
        *(("layer1", (64 * wide, 56, 56)), ("layer2", (128 * wide, 28, 28))),
        *(("layer3", (256 * wide, 14, 14)), ("layer4", (512 * wide, 7, 7)), ("fc", (1000,))),
    ]


@pytest.mark.parametrize("build", [resnet50, resnet152])
def test_the_paper_halves_the_picture_in_the_first_convolution_of_a_block_and_torchvision_in_the_second(
    build: Callable[..., ResNet],
) -> None:
    with torch.device("meta"):
        strides = [
            [conv.stride[0] for conv in (net.layer3[0].conv1, net.layer3[0].conv2, net.layer3[0].conv3)]
            for net in (build(variant="paper"), build(variant="torchvision"))
        ]
    assert strides == [[2, 1, 1], [1, 2, 1]]


@pytest.mark.parametrize("depth", CIFAR)
def test_the_nets_for_32_pixels_are_those_of_section_4_2(depth: int) -> None:
    expected, operations = CIFAR[depth]
    with torch.device("meta"):
        net, picture = CifarResNet(depth), torch.zeros(1, 3, 32, 32)
    assert parameters(net) == expected
    assert multiply_adds(net, picture) == operations
    assert layers_on_the_way(net) == depth
    assert len(blocks(net)) == (depth - 2) // 2
    assert stages(net, picture) == [
        *(("conv1", (16, 32, 32)), ("bn1", (16, 32, 32))),
        *(("layer1", (16, 32, 32)), ("layer2", (32, 16, 16)), ("layer3", (64, 8, 8)), ("fc", (10,))),
    ]


@pytest.mark.parametrize("depth", [2, 18, 21, 51, -4])
def test_a_depth_that_is_not_6n_plus_2_is_refused_with_those_that_are(depth: int) -> None:
    with pytest.raises(ValueError, match=f"20, 32, 44, 56 and 110 are; {depth} is not"):
        CifarResNet(depth)


def silenced(block: CifarBlock) -> CifarBlock:
    """Only its shortcut is left."""
    nn.init.zeros_(block.bn2.weight)
    return block.eval()


def test_an_option_a_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros() -> None:
    maps = torch.randn(2, 16, 9, 12)
    found = silenced(CifarBlock(16, 32))(maps)
    assert found.shape == (2, 32, 5, 6)
    assert torch.equal(found[:, 8:24], F.relu(maps[:, :, ::2, ::2]))
    assert not found[:, :8].any()
    assert not found[:, 24:].any()
    assert torch.equal(silenced(CifarBlock(16, 16))(maps), F.relu(maps))


def test_an_option_a_shortcut_has_no_parameters() -> None:
    wide, narrow = CifarBlock(16, 32), CifarBlock(16, 16)
    for block in (wide, narrow):
        assert {name.split(".")[0] for name, _ in block.named_parameters()} == {"conv1", "bn1", "conv2", "bn2"}
    assert parameters(wide) == 9 * 16 * 32 + 9 * 32 * 32 + 4 * 32


@pytest.mark.parametrize(
    ("net", "sizes"),
    [
        (lambda: resnet18(7), ((32, 32), (33, 47), (65, 224))),
        (lambda: resnet50(7), ((32, 32), (45, 97))),
        (lambda: CifarResNet(20, 7), ((32, 32), (33, 35), (7, 64))),
    ],
    ids=["resnet18", "resnet50", "resnet20"],
)
def test_pictures_of_odd_sizes_are_answered(net: Callable[[], nn.Module], sizes: tuple[tuple[int, int], ...]) -> None:
    built = net().eval()
    for height, width in sizes:
        assert built(torch.randn(2, 3, height, width)).shape == (2, 7)


@pytest.mark.parametrize("net", [lambda: CifarResNet(20, 4), lambda: resnet50(4)], ids=["resnet20", "resnet50"])
def test_the_net_learns(net: Callable[[], nn.Module]) -> None:
    """Four pictures by heart, through every layer, from the weights that it starts with."""
    torch.manual_seed(0)
    built, pictures, targets = net().train(), torch.randn(4, 3, 64, 64), torch.arange(4)
    optimizer = torch.optim.SGD(built.parameters(), lr=0.02, momentum=0.9)
    for _ in range(15):
        optimizer.zero_grad()
        loss = F.cross_entropy(built(pictures), targets)
        loss.backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in built.parameters())
    assert float(loss.detach()) < 0.3


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (lambda: CifarResNet(20), 32),
        (lambda: CifarResNet(20), 33),
        (lambda: resnet18(10), 64),
        (lambda: resnet50(10, variant="torchvision"), 75),
    ],
    ids=["resnet20", "resnet20-odd", "resnet18", "resnet50-odd"],
)
def test_the_graph_answers_as_torch_does_for_three_pictures_and_for_one(
    net: Callable[[], nn.Module], size: int
) -> None:
    torch.manual_seed(0)
    built, pictures = net(), torch.randn(3, 3, size, size)
    unlike(built)
    graph = exported(built, pictures)
    # A batch normalisation is folded into its convolution, which gets a bias of as many numbers as the scale had.
    folded = sum(parameters(layer) // 2 for layer in built.modules() if isinstance(layer, nn.BatchNorm2d))
    assert stored(graph) == parameters(built) - folded
    assert difference(built, graph, pictures) < 1e-4
