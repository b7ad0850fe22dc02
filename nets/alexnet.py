"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks".

`AlexNet` is the net of the paper, `AlexNetOf2014` that of Krizhevsky 2014, "One weird trick for parallelizing
convolutional neural networks" (arXiv 1404.5997), of which torchvision publishes trained weights. They differ: in 2014
there are no convolutions in two groups (nothing is split over two GPUs), no local response normalisation, 64, 192, 384,
256 and 256 filters where the paper has 96, 256, 384, 384 and 256, and a picture of 224 pixels padded by 2 where the
paper's layer sizes need 227. Dropout stands before the two hidden layers, not after them.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from nets.lrn import LocalResponseNorm


class AlexNet(nn.Module):
    """N x 3 x 227 x 227 -> N x labels logits; with 1000 labels 60,965,224 parameters, 724,406,816 multiply-adds."""

    def __init__(self, labels: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6 = nn.Linear(9216, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, labels)
        self.lrn = LocalResponseNorm(k=2, alpha=1e-4)
        self.dropout = nn.Dropout(0.5)
        self.initialise()

    def initialise(self) -> None:
        """Section 5: normal weights of deviation 0.01; biases 1 where that gives the ReLUs positive inputs, else 0."""
        ones = (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7)
        for layer in (self.conv1, self.conv3, self.fc8, *ones):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, float(layer in ones))

    def forward(self, x: Tensor) -> Tensor:  # N x 3 x 227 x 227
        x = self.lrn(F.relu(self.conv1(x)))  # N x 96 x 55 x 55
        x = F.max_pool2d(x, 3, stride=2)  # N x 96 x 27 x 27
        x = self.lrn(F.relu(self.conv2(x)))  # N x 256 x 27 x 27
        x = F.max_pool2d(x, 3, stride=2)  # N x 256 x 13 x 13
        x = F.relu(self.conv3(x))  # N x 384 x 13 x 13
        x = F.relu(self.conv4(x))  # N x 384 x 13 x 13
        x = F.relu(self.conv5(x))  # N x 256 x 13 x 13
        x = F.max_pool2d(x, 3, stride=2)  # N x 256 x 6 x 6
        x = self.dropout(F.relu(self.fc6(x.flatten(1))))  # N x 9216 -> N x 4096
        x = self.dropout(F.relu(self.fc7(x)))  # N x 4096
        logits: Tensor = self.fc8(x)  # N x labels
        return logits


class AlexNetOf2014(nn.Module):
    """N x 3 x H x W, 63 pixels at least, 224 in training -> N x labels logits; with 1000 labels 61,100,840 parameters.

    The state_dict has torchvision's keys.
    """

    def __init__(self, labels: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(  # N x 3 x 224 x 224
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),  # N x 64 x 55 x 55
            nn.MaxPool2d(3, stride=2),  # N x 64 x 27 x 27
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),  # N x 192 x 27 x 27
            nn.MaxPool2d(3, stride=2),  # N x 192 x 13 x 13
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),  # N x 384 x 13 x 13
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),  # N x 256 x 13 x 13
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),  # N x 256 x 13 x 13
            nn.MaxPool2d(3, stride=2),  # N x 256 x 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # pictures of other sizes end as 6 x 6, too
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(9216, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, labels),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # N x 256 x 6 x 6
        logits: Tensor = self.classifier(x.flatten(1))  # N x 9216 -> N x labels
        return logits
