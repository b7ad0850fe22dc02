"""The CIFAR-10 net of Karpathy's ConvNetJS demo (convnetjs, demo/cifar10.html): 22,466 parameters, 3,920,000
multiply-adds."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNetJS(nn.Module):
    """N x 3 x 32 x 32, pixels / 255 - 0.5 -> N x 10 logits."""

    def __init__(self, labels: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, padding=2)
        self.conv2 = nn.Conv2d(16, 20, 5, padding=2)
        self.conv3 = nn.Conv2d(20, 20, 5, padding=2)
        self.output = nn.Linear(320, labels)

    def forward(self, x: Tensor) -> Tensor:  # N x 3 x 32 x 32
        x = F.relu(self.conv1(x))  # N x 16 x 32 x 32
        x = F.max_pool2d(x, 2)  # N x 16 x 16 x 16
        x = F.relu(self.conv2(x))  # N x 20 x 16 x 16
        x = F.max_pool2d(x, 2)  # N x 20 x 8 x 8
        x = F.relu(self.conv3(x))  # N x 20 x 8 x 8
        x = F.max_pool2d(x, 2)  # N x 20 x 4 x 4
        logits: Tensor = self.output(x.flatten(1))  # N x 320 -> N x 10
        return logits
