"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions" (arXiv 1409.4842), Table 1 and section 5.

`paper` is the net of Table 1: every convolution has a bias and a ReLU, the first layers are normalised as in AlexNet
(with the constants of Caffe's GoogLeNet, since the paper gives none). `torchvision` is the net of torchvision's
published weights, and another one: batch normalisation instead of biases and of local response normalisation, 3 x 3
filters where the paper has 5 x 5 (pytorch/vision issue 906), 2 x 2 in the last pooling, dropout of 0.2 for 0.4. Its
state_dict has torchvision's keys.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets.lrn import LocalResponseNorm

Variant = Literal["paper", "torchvision"]
AUX_WEIGHT = 0.3  # section 5: of each auxiliary head's loss in the sum


class Convolution(nn.Module):
    """N x C x H x W -> N x filters x H / stride x W / stride."""

    def __init__(self, channels: int, filters: int, size: int, *, stride: int = 1, variant: Variant) -> None:
        super().__init__()
        paper = variant == "paper"
        self.conv = nn.Conv2d(channels, filters, size, stride=stride, padding=size // 2, bias=paper)
        self.bn = nn.Identity() if paper else nn.BatchNorm2d(filters, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Figure 2b, with a row's numbers of Table 1. N x C x H x W -> N x one + three + five + pooled x H x W."""

    def __init__(
        self,
        channels: int,
        one: int,
        three: tuple[int, int],
        five: tuple[int, int],
        pooled: int,
        *,
        variant: Variant,
    ) -> None:
        """`three` and `five` are the filters of the 1 x 1 reduction and of the convolution after it."""
        super().__init__()
        size = 5 if variant == "paper" else 3
        self.branch1 = Convolution(channels, one, 1, variant=variant)
        self.branch2 = nn.Sequential(
            Convolution(channels, three[0], 1, variant=variant), Convolution(*three, 3, variant=variant)
        )
        self.branch3 = nn.Sequential(
            Convolution(channels, five[0], 1, variant=variant), Convolution(*five, size, variant=variant)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), Convolution(channels, pooled, 1, variant=variant)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Auxiliary(nn.Module):
    """A head on the side, section 5. N x C x H x W -> N x labels logits.

    The paper averages 5 x 5 pixels every 3, which makes 4 x 4 of 14 x 14; here 4 x 4 is made of any size.
    """

    def __init__(self, channels: int, labels: int, *, variant: Variant) -> None:
        super().__init__()
        self.conv = Convolution(channels, 128, 1, variant=variant)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, labels)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 4)  # N x C x 4 x 4
        x = self.conv(x)  # N x 128 x 4 x 4
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))  # N x 2048 -> N x 1024
        logits: Tensor = self.fc2(x)  # N x labels
        return logits


class GoogLeNet(nn.Module):
    """N x 3 x H x W, 32 pixels at least, 224 in the paper -> N x labels logits.

    In training the answer is (logits, aux1, aux2), the heads after 4a and 4d; the loss is the logits' plus AUX_WEIGHT
    times that of each head. With 1000 labels the paper's form has 6,998,552 parameters, 13,378,280 with the heads, and
    1,582,671,872 multiply-adds; torchvision's has 6,624,904 and 13,004,888 parameters.
    """

    def __init__(self, labels: int = 1000, *, variant: Variant = "paper") -> None:
        super().__init__()
        paper = variant == "paper"
        self.conv1 = Convolution(3, 64, 7, stride=2, variant=variant)
        self.conv2 = Convolution(64, 64, 1, variant=variant)
        self.conv3 = Convolution(64, 192, 3, variant=variant)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32, variant=variant)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64, variant=variant)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64, variant=variant)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64, variant=variant)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64, variant=variant)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64, variant=variant)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128, variant=variant)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128, variant=variant)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128, variant=variant)
        self.aux1 = Auxiliary(512, labels, variant=variant)
        self.aux2 = Auxiliary(528, labels, variant=variant)
        self.fc = nn.Linear(1024, labels)
        # Caffe's alpha of 1e-4 is divided by the 5 channels of a sum.
        self.lrn = LocalResponseNorm(k=1, alpha=2e-5) if paper else nn.Identity()
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(3 if paper else 2, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(0.4 if paper else 0.2)
        self.initialise()

    def initialise(self) -> None:
        """The paper says nothing: He et al. 2015 (arXiv 1502.01852), which keeps the size of activations under ReLU."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for output in (self.fc, self.aux1.fc2, self.aux2.fc2):
            nn.init.normal_(output.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:  # N x 3 x 224 x 224
        x = self.conv1(x)  # N x 64 x 112 x 112
        x = self.lrn(self.pool(x))  # N x 64 x 56 x 56
        x = self.conv3(self.conv2(x))  # N x 192 x 56 x 56
        x = self.pool(self.lrn(x))  # N x 192 x 28 x 28
        x = self.inception3a(x)  # N x 256 x 28 x 28
        x = self.inception3b(x)  # N x 480 x 28 x 28
        x = self.pool(x)  # N x 480 x 14 x 14
        after_4a = self.inception4a(x)  # N x 512 x 14 x 14
        x = self.inception4b(after_4a)  # N x 512 x 14 x 14
        x = self.inception4c(x)  # N x 512 x 14 x 14
        after_4d = self.inception4d(x)  # N x 528 x 14 x 14
        x = self.inception4e(after_4d)  # N x 832 x 14 x 14
        x = self.last_pool(x)  # N x 832 x 7 x 7
        x = self.inception5a(x)  # N x 832 x 7 x 7
        x = self.inception5b(x)  # N x 1024 x 7 x 7
        x = x.mean((2, 3))  # N x 1024
        logits: Tensor = self.fc(self.dropout(x))  # N x labels
        if self.training:
            return logits, self.aux1(after_4a), self.aux2(after_4d)
        return logits
