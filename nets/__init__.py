"""The architectures, one file a paper; `PICTURE_NETS` has them by name and form, each a function of the label count."""

from collections.abc import Callable
from functools import partial

from torch import nn

from nets.alexnet import AlexNet, AlexNetOf2014
from nets.convnetjs import ConvNetJS
from nets.googlenet import GoogLeNet
from nets.lenet5 import LeNet5, LeNet5Of1998
from nets.resnet import CifarResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from nets.textcnn import TextCNN

__all__ = [
    "PICTURE_NETS",
    "AlexNet",
    "AlexNetOf2014",
    "CifarResNet",
    "ConvNetJS",
    "GoogLeNet",
    "LeNet5",
    "LeNet5Of1998",
    "TextCNN",
]

# The first form of each is the one that is trained unless another is asked for; torchvision's weights fit the form that
# is named after it.
PICTURE_NETS: dict[str, dict[str, Callable[[int], nn.Module]]] = {
    "lenet5": {"modern": LeNet5, "1998": LeNet5Of1998},
    "convnetjs": {"demo": ConvNetJS},
    "alexnet": {"paper": AlexNet, "torchvision": AlexNetOf2014},
    **{
        name: {"paper": partial(build, variant="paper"), "torchvision": partial(build, variant="torchvision")}
        for name, build in (
            ("googlenet", GoogLeNet),
            ("resnet18", resnet18),
            ("resnet34", resnet34),
            ("resnet50", resnet50),
            ("resnet101", resnet101),
            ("resnet152", resnet152),
        )
    },
    **{f"resnet{depth}": {"paper": partial(CifarResNet, depth)} for depth in (20, 32, 44, 56, 110)},
}
