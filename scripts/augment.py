"""Pictures changed by chance, a batch at a time: bytes in, bytes out."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def move(images: Tensor, *, shift: int, flip: bool, random: torch.Generator) -> Tensor:
    """N x H x W x C moved by at most `shift` pixels both ways, black coming in, and mirrored half of the time."""
    n, height, width, _ = images.shape
    padded = F.pad(images, (0, 0, shift, shift, shift, shift))
    rows = torch.randint(0, 2 * shift + 1, (n, 1), generator=random) + torch.arange(height)  # N x H
    columns = torch.randint(0, 2 * shift + 1, (n, 1), generator=random) + torch.arange(width)  # N x W
    if flip:
        columns = torch.where(torch.rand((n, 1), generator=random) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def through_jpeg(rows: npt.NDArray[Any], *, share: float, random: np.random.Generator) -> None:
    """A share of the pictures, N x H x W x C, goes through JPEG at a quality of 40 to 95, as uploads do. In place."""
    for row in np.flatnonzero(random.random(len(rows)) < share):
        encoded = BytesIO()
        Image.fromarray(rows[row]).save(encoded, "JPEG", quality=int(random.integers(40, 96)))
        rows[row] = np.asarray(Image.open(encoded))
