"""What is round a net in its graph: bytes in, scores out. Training uses the same first half."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pixels(nn.Module):
    """N x H x W x C bytes -> N x C x H x W floats, (byte / 255 - mean) / std, black around it where padded.

    `mean` and `std` have one value for all channels, or one a channel.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, *, pad: int = 0, mean: tuple[float, ...] = (0.5,), std: tuple[float, ...] = (1.0,)) -> None:
        super().__init__()
        self.pad, self.mean, self.std = pad, mean, std
        means, stds = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        self.register_buffer("scale", 1 / (255 * stds), persistent=False)
        self.register_buffer("shift", -means / stds, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        x = image.permute(0, 3, 1, 2)  # the bytes are moved, not the four times larger floats
        if self.pad:
            x = F.pad(x, (self.pad,) * 4)
        return x.float() * self.scale + self.shift


class Servable(nn.Module):
    """N x H x W x C uint8 -> N x labels scores that sum to 1."""

    def __init__(self, pixels: Pixels, net: nn.Module, *, temperature: float = 1.0) -> None:
        super().__init__()
        self.pixels = pixels
        self.net = net
        self.temperature = temperature

    def forward(self, image: Tensor) -> Tensor:
        return torch.softmax(self.net(self.pixels(image)) / self.temperature, 1)
