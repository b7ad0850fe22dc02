"""The architectures, one file a paper; `PICTURE_NETS` has them by name and form, each a function of the label count."""

from collections.abc import Callable
from functools import partial

from torch import nn

from nets.convnetjs import ConvNetJS
from nets.lenet5 import LeNet5, LeNet5Of1998
from nets.resnet import CifarResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from nets.textcnn import TextCNN

__all__ = ["PICTURE_NETS", "CifarResNet", "ConvNetJS", "LeNet5", "LeNet5Of1998", "TextCNN"]

# The first form of each is the one that is trained unless another is asked for.
PICTURE_NETS: dict[str, dict[str, Callable[[int], nn.Module]]] = {
    "lenet5": {"modern": LeNet5, "1998": LeNet5Of1998},
    "convnetjs": {"demo": ConvNetJS},
    **{
        name: {"paper": partial(build, variant="paper"), "torchvision": partial(build, variant="torchvision")}
        for name, build in (
            ("resnet18", resnet18),
            ("resnet34", resnet34),
            ("resnet50", resnet50),
            ("resnet101", resnet101),
            ("resnet152", resnet152),
        )
    },
    **{f"resnet{depth}": {"paper": partial(CifarResNet, depth)} for depth in (20, 32, 44, 56, 110)},
}
