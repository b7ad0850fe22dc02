"""The trained ImageNet weights that torchvision publishes, for the nets that can not be trained without ImageNet.

A file goes from its public URL to data/weights, once; where nothing can be downloaded, put it there. Its name ends with
the first eight digits of its sha256, which is all of the checksum that is published, so what is loaded may hold tensors
and nothing that runs. Table: torchvision 0.29.1, torchvision/models/{alexnet,googlenet,resnet}.py.
"""

import pickle
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scripts.download import File, obtain

HUB = "https://download.pytorch.org/models"
LICENCE = (
    "torchvision's code is BSD-3-Clause; no licence is stated for its weights, which were trained on ImageNet "
    "(non-commercial research and education), so whether a use is permitted is for the user to determine"
)
LABELS = Path(__file__).with_name("imagenet.txt")

Three = tuple[float, float, float]  # of red, green and blue
State = Mapping[str, Tensor]


class WeightsRefused(Exception):
    pass


@dataclass(frozen=True)
class Weights:
    """A published file, and what a picture must become before a net with these weights: the shorter side resized
    (bilinear, antialiased), the centre cut out, each channel / 255, minus mean, divided by std."""

    file: File
    top1: float  # per cent of ImageNet's 50,000 validation pictures, one crop each, as torchvision publishes it
    top5: float
    shorter_side: int = 256
    crop: int = 224
    mean: Three = (0.485, 0.456, 0.406)
    std: Three = (0.229, 0.224, 0.225)


def published(name: str, digest: str) -> File:
    return File("weights", f"{name}-{digest}.pth", f"{HUB}/{name}-{digest}.pth", digest, "sha256")


# Net -> name of the weights -> the weights, the best last.
WEIGHTS: dict[str, dict[str, Weights]] = {
    "alexnet": {"V1": Weights(published("alexnet-owt", "7be5be79"), 56.522, 79.066)},
    # torchvision normalises as for the others and then, in the net (`transform_input`), takes that back and normalises
    # by 0.5: (x * std + mean - 0.5) / 0.5. Both steps together are exactly these numbers.
    "googlenet": {
        "V1": Weights(published("googlenet", "1378be20"), 69.778, 89.530, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    },
    "resnet18": {"V1": Weights(published("resnet18", "f37072fd"), 69.758, 89.078)},
    "resnet34": {"V1": Weights(published("resnet34", "b627a593"), 73.314, 91.420)},
    "resnet50": {
        "V1": Weights(published("resnet50", "0676ba61"), 76.130, 92.862),
        "V2": Weights(published("resnet50", "11ad3fa6"), 80.858, 95.434, shorter_side=232),
    },
    "resnet101": {
        "V1": Weights(published("resnet101", "63fe2227"), 77.374, 93.546),
        "V2": Weights(published("resnet101", "cd907fc2"), 81.886, 95.780, shorter_side=232),
    },
    "resnet152": {
        "V1": Weights(published("resnet152", "394f9c45"), 78.312, 94.046),
        "V2": Weights(published("resnet152", "f82ba261"), 82.284, 96.002, shorter_side=232),
    },
}


def official(net: str, *, weights: str | None = None, cache: Path = Path("data")) -> tuple[Weights, State]:
    """The named weights of a net, the best unless said, and their state_dict: of AlexNetOf2014, and of the torchvision
    variant of GoogLeNet (with its heads) and of the ResNets.

    Raises ValueError for names that are not in the table, and what `read` raises.
    """
    chosen = choose(net, weights)
    return chosen, read(chosen.file, cache)


def choose(net: str, weights: str | None = None) -> Weights:
    if net not in WEIGHTS:
        raise ValueError(f"there are no official weights of {net!r}: expected one of {', '.join(WEIGHTS)}")
    if weights is None:
        return list(WEIGHTS[net].values())[-1]
    if weights not in WEIGHTS[net]:
        raise ValueError(f"{net} has no weights {weights!r}: expected {' or '.join(WEIGHTS[net])}")
    return WEIGHTS[net][weights]


def read(file: File, cache: Path) -> State:
    """The state_dict in the file, downloaded if it is not in `cache`. Raises ChecksumError, FileNotFoundError when it
    can not be downloaded, WeightsRefused when it holds anything but tensors by name."""
    try:
        path = obtain(file, None, cache)
    except urllib.error.URLError as error:
        raise FileNotFoundError(
            f"{file.url} can not be downloaded ({error}): fetch it where that is possible and put it at "
            f"{cache / file.folder / file.name}"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsRefused(f"{path} can not be loaded as tensors and nothing else: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsRefused(
            f"{path} is not a plain state_dict: expected tensors by name, as net.state_dict() has them"
        )
    return state


def imagenet_labels() -> tuple[str, ...]:
    """ImageNet's 1000 labels, in the order of the scores."""
    return tuple(LABELS.read_text().splitlines())
