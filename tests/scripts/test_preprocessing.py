import numpy as np
import pytest
import torch
from PIL import Image

from nets import PICTURE_NETS
from nets.servable import Servable
from scripts.preprocessing import image_input, pixels_of
from scripts.weights import choose
from service.images import open_picture
from tests.scripts.examples import encoded


@pytest.mark.parametrize(
    ("net", "sides", "side"),
    [
        ("resnet18", [500, 600, 4000], 224),
        ("resnet18", [100] * 5 + [4000], 96),
        ("resnet18", [28, 28], 64),
        ("googlenet", [150], 160),
        ("resnet20", [32], 32),
        ("resnet20", [500], 64),
        ("resnet20", [10], 32),
        ("lenet5", [500], 28),
        ("convnetjs", [500], 32),
        ("alexnet", [32], 227),
    ],
)
def test_a_net_takes_pictures_of_the_middle_size_within_what_it_can(net: str, sides: list[int], side: int) -> None:
    given = image_input(net, "paper", None, sides)
    assert (given.height, given.width, given.shorter_side) == (side, side, side)
    assert given.channels == (1 if net == "lenet5" else 3)


def test_published_weights_keep_the_preprocessing_they_were_trained_with() -> None:
    given = image_input("resnet50", "torchvision", choose("resnet50"), [32])
    assert (given.height, given.shorter_side, given.fit) == (224, 232, "crop")


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("net", ["lenet5", "convnetjs", "resnet20", "resnet18", "googlenet"])
def test_each_net_can_take_what_is_chosen_for_it(net: str, side: int) -> None:
    variant, build = next(iter(PICTURE_NETS[net].items()))
    given = image_input(net, variant, None, [side])
    picture = encoded(Image.new("RGB", (side, 2 * side), "red"))
    rows = np.stack([open_picture(picture).decode(given)] * 2)
    scores = Servable(pixels_of(net, variant), build(5)).eval()(torch.from_numpy(rows))
    assert scores.shape == (2, 5)
    assert scores.sum(1).tolist() == pytest.approx([1, 1])
