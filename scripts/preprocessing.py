"""How each net takes its pictures: a size that fits the net and the data, and the arithmetic inside the graph."""

from nets.servable import Pixels
from scripts.weights import Weights
from service.spec import ImageInput

# Of the pictures of ImageNet, channel by channel, as all its published weights expect them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FIXED = {"lenet5": 28, "convnetjs": 32, "alexnet": 227}  # their last layers count the pixels
CIFAR_NETS = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")


def image_input(net: str, variant: str, weights: Weights | None, sides: list[int]) -> ImageInput:
    """For pictures whose shorter sides are these, in pixels. Nets that end in a mean over the picture take the middle
    one of these sides, within what they were made for, in steps of 32, by which they divide it; published weights keep
    what they were trained with."""
    if weights:
        return ImageInput(
            height=weights.crop,
            width=weights.crop,
            channels=3,
            fit="crop",
            shorter_side=weights.shorter_side,
            background="white",
        )
    if net in FIXED:
        side = 224 if (net, variant) == ("alexnet", "torchvision") else FIXED[net]
    else:
        least, most = (32, 64) if net in CIFAR_NETS else (64, 224)
        side = max(least, min(most, 32 * round(sorted(sides)[len(sides) // 2] / 32)))
    return ImageInput(
        height=side,
        width=side,
        channels=1 if net == "lenet5" else 3,
        fit="crop",
        shorter_side=side,
        background="black" if net == "lenet5" else "white",
    )


def pixels_of(net: str, variant: str) -> Pixels:
    if net == "lenet5":
        return Pixels(pad=2)  # 28 x 28 in the middle of 32 x 32, as the paper has it
    if net == "convnetjs":
        return Pixels()
    if (net, variant) == ("googlenet", "torchvision"):
        return Pixels(mean=(0.5,), std=(0.5,))  # what its official weights were trained with, in the end
    return Pixels(mean=MEAN, std=STD)
