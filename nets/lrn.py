"""Local response normalisation: Krizhevsky, Sutskever and Hinton 2012, section 3.3.

b_i = a_i / (k + alpha * the sum of a_j squared over the channels j from i - 2 to i + 2) ** 0.75, the paper's n = 5 and
beta = 0.75. Caffe, ONNX and torch.nn.LocalResponseNorm divide alpha by n; this module, like the paper, does not.
"""

import torch.nn.functional as F
from torch import Tensor, nn

N = 5  # channels in a sum


class LocalResponseNorm(nn.Module):
    """N x C x H x W -> the same shape."""

    def __init__(self, *, k: float, alpha: float) -> None:
        super().__init__()
        self.k = k
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        squares = F.pad(x * x, (0, 0, 0, 0, N // 2, N // 2))  # N x C+4 x H x W
        total = squares[:, :channels]
        for at in range(1, N):
            total = total + squares[:, at : at + channels]  # N x C x H x W
        # Sums of slices and two square roots: exported, a third of the time of torch's own module and its power.
        root = (self.k + self.alpha * total).sqrt()
        return x / (root * root.sqrt())
