"""The architectures, one file a paper."""

from nets.convnetjs import ConvNetJS
from nets.lenet5 import LeNet5, LeNet5Of1998
from nets.textcnn import TextCNN

__all__ = ["ConvNetJS", "LeNet5", "LeNet5Of1998", "TextCNN"]
