"""LeNet-5: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition", II-B.

`LeNet5` is the net as it is taught today. Modernised: ReLU for the scaled tanh, max pooling for trained subsampling,
every C3 map connected to every S2 map, and a softmax output for the Euclidean units with their fixed bitmap codes.
`LeNet5Of1998` keeps the connection table, the trained subsampling and the scaled tanh; its output is linear, too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Table I: which S2 maps each C3 map sees.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(nn.Module):
    """N x 1 x 32 x 32 -> N x 10 logits; 61,706 parameters, 416,520 multiply-adds."""

    def __init__(self, labels: int = 10) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, labels)

    def forward(self, x: Tensor) -> Tensor:  # N x 1 x 32 x 32
        x = F.relu(self.c1(x))  # N x 6 x 28 x 28
        x = F.max_pool2d(x, 2)  # N x 6 x 14 x 14
        x = F.relu(self.c3(x))  # N x 16 x 10 x 10
        x = F.max_pool2d(x, 2)  # N x 16 x 5 x 5
        x = F.relu(self.c5(x))  # N x 120 x 1 x 1
        x = F.relu(self.f6(x.flatten(1)))  # N x 84
        logits: Tensor = self.output(x)  # N x 10
        return logits


class Subsampling(nn.Module):
    """The mean of 2 x 2 pixels, times a trained number, plus another, for each map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(maps, 1, 1))
        self.shift = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) * self.scale + self.shift


class PartialConv2d(nn.Conv2d):
    """A convolution of which some map-to-map connections do not exist: their weights are zero and stay zero."""

    mask: Tensor

    def __init__(self, channels: int, table: tuple[tuple[int, ...], ...], kernel_size: int) -> None:
        super().__init__(channels, len(table), kernel_size)
        mask = torch.zeros(len(table), channels, 1, 1)
        for output, inputs in enumerate(table):
            mask[output, list(inputs)] = 1
        self.register_buffer("mask", mask, persistent=False)
        with torch.no_grad():
            self.weight *= mask

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias)

    @property
    def trained(self) -> int:
        connections = int(self.mask.sum()) * self.kernel_size[0] * self.kernel_size[1]
        return connections + self.out_channels


def squash(x: Tensor) -> Tensor:
    """Appendix A: 1.7159 tanh(2/3 x)."""
    return 1.7159 * torch.tanh(x * (2 / 3))


class LeNet5Of1998(nn.Module):
    """N x 1 x 32 x 32 -> N x 10 logits; 60,000 trained parameters below the output layer."""

    def __init__(self, labels: int = 10) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConv2d(6, C3_TABLE, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, labels)

    def forward(self, x: Tensor) -> Tensor:  # N x 1 x 32 x 32
        x = squash(self.c1(x))  # N x 6 x 28 x 28
        x = squash(self.s2(x))  # N x 6 x 14 x 14
        x = squash(self.c3(x))  # N x 16 x 10 x 10
        x = squash(self.s4(x))  # N x 16 x 5 x 5
        x = squash(self.c5(x))  # N x 120 x 1 x 1
        x = squash(self.f6(x.flatten(1)))  # N x 84
        logits: Tensor = self.output(x)  # N x 10
        return logits
