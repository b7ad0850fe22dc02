"""What is round a net in its graph: bytes in, scores out. Training uses the same first half."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pixels(nn.Module):
    """N x H x W x C bytes -> N x C x H x W floats, byte / 255 - 0.5, black around it where padded."""

    def __init__(self, *, pad: int = 0) -> None:
        super().__init__()
        self.pad = pad

    def forward(self, image: Tensor) -> Tensor:
        x = image.permute(0, 3, 1, 2)  # the bytes are moved, not the four times larger floats
        if self.pad:
            x = F.pad(x, (self.pad,) * 4)
        return x.float() * (1 / 255) - 0.5


class Servable(nn.Module):
    """N x H x W x C uint8 -> N x labels scores that sum to 1."""

    def __init__(self, pixels: Pixels, net: nn.Module, *, temperature: float = 1.0) -> None:
        super().__init__()
        self.pixels = pixels
        self.net = net
        self.temperature = temperature

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.net(self.pixels(image)) / self.temperature, 1)
