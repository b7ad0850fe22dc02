"""He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition" (arXiv 1512.03385).

`ResNet` is section 3.3 and table 1, for pictures of about 224 x 224; `CifarResNet` is section 4.2, for 32 x 32.

Two forms of the bottleneck: the paper and Caffe halve the picture in its first 1x1 convolution, torchvision in the 3x3
("v1.5": the same parameters, 6 % more multiply-adds in ResNet-50). The names of the layers are torchvision's, so its
checkpoints load into the second form.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Variant = Literal["paper", "torchvision"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels_in: int, channels: int, stride: int, variant: Variant) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = projection(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        return F.relu(residual + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 down to `channels`, 3x3, 1x1 up to four times as many, and a shortcut (figure 5)."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int, variant: Variant) -> None:
        super().__init__()
        first, second = (stride, 1) if variant == "paper" else (1, stride)
        self.conv1 = nn.Conv2d(channels_in, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = projection(channels_in, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)))
        residual = F.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return F.relu(residual + self.downsample(x))


def projection(channels_in: int, channels: int, stride: int) -> nn.Module:
    """The shortcut: identity, or where the shape changes a 1x1 convolution (option B)."""
    if channels_in == channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class ResNet(nn.Module):
    """N x 3 x 224 x 224 -> N x labels logits; other sizes from 32 on work, too."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: tuple[int, int, int, int],
        labels: int,
        *,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        wide = block.expansion
        self.layer1 = stage(block, 64, 64, blocks[0], 1, variant)
        self.layer2 = stage(block, 64 * wide, 128, blocks[1], 2, variant)
        self.layer3 = stage(block, 128 * wide, 256, blocks[2], 2, variant)
        self.layer4 = stage(block, 256 * wide, 512, blocks[3], 2, variant)
        self.fc = nn.Linear(512 * wide, labels)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:  # N x 3 x 224 x 224
        x = F.relu(self.bn1(self.conv1(x)))  # N x 64 x 112 x 112
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # N x 64 x 56 x 56
        x = self.layer1(x)  # N x 64 (bottleneck: 256) x 56 x 56
        x = self.layer2(x)  # N x 128 (512) x 28 x 28
        x = self.layer3(x)  # N x 256 (1024) x 14 x 14
        x = self.layer4(x)  # N x 512 (2048) x 7 x 7
        x = x.mean((2, 3))  # N x 512 (2048)
        logits: Tensor = self.fc(x)  # N x labels
        return logits


def stage(
    block: type[BasicBlock] | type[Bottleneck],
    channels_in: int,
    channels: int,
    count: int,
    stride: int,
    variant: Variant,
) -> nn.Sequential:
    first = block(channels_in, channels, stride, variant)
    rest = [block(channels * block.expansion, channels, 1, variant) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)


def initialise(net: nn.Module) -> None:
    """He et al. 2015, "Delving deep into rectifiers", by which section 3.4 trains."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def resnet18(labels: int = 1000, *, variant: Variant = "paper") -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), labels, variant=variant)


def resnet34(labels: int = 1000, *, variant: Variant = "paper") -> ResNet:
    return ResNet(BasicBlock, (3, 4, 6, 3), labels, variant=variant)


def resnet50(labels: int = 1000, *, variant: Variant = "paper") -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), labels, variant=variant)


def resnet101(labels: int = 1000, *, variant: Variant = "paper") -> ResNet:
    return ResNet(Bottleneck, (3, 4, 23, 3), labels, variant=variant)


def resnet152(labels: int = 1000, *, variant: Variant = "paper") -> ResNet:
    return ResNet(Bottleneck, (3, 8, 36, 3), labels, variant=variant)


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; where the shape changes, the shortcut takes every second pixel and adds channels of zeros
    (option A), so it has no parameters."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.stride = 1 if channels_in == channels else 2
        self.conv1 = nn.Conv2d(channels_in, channels, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.added = channels - channels_in

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        if self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added // 2, self.added // 2))
        return F.relu(residual + x)


class CifarResNet(nn.Module):
    """N x 3 x 32 x 32 -> N x labels logits; of 6n + 2 layers: 20, 32, 44, 56 or 110. Raises ValueError for others."""

    def __init__(self, depth: int, labels: int = 10) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth is 6n + 2, as 20, 32, 44, 56 and 110 are; {depth} is not")
        n = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(CifarBlock(16, 16) for _ in range(n)))
        self.layer2 = nn.Sequential(CifarBlock(16, 32), *(CifarBlock(32, 32) for _ in range(n - 1)))
        self.layer3 = nn.Sequential(CifarBlock(32, 64), *(CifarBlock(64, 64) for _ in range(n - 1)))
        self.fc = nn.Linear(64, labels)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:  # N x 3 x 32 x 32
        x = F.relu(self.bn1(self.conv1(x)))  # N x 16 x 32 x 32
        x = self.layer1(x)  # N x 16 x 32 x 32
        x = self.layer2(x)  # N x 32 x 16 x 16
        x = self.layer3(x)  # N x 64 x 8 x 8
        x = x.mean((2, 3))  # N x 64
        logits: Tensor = self.fc(x)  # N x labels
        return logits
