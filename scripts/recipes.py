"""How each net is trained on each data set: one line a pair; and what is sensible for data nobody has seen before."""

from dataclasses import dataclass, fields, replace
from typing import Literal

from nets import PICTURE_NETS


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch: int
    rate: float  # the highest of the cycle
    optimizer: Literal["adamw", "sgd"] = "adamw"  # sgd: Nesterov momentum 0.9
    weight_decay: float = 0.0
    smoothing: float = 0.0  # of the targets
    ema: float = 0.99  # how much of the averaged weights a step keeps
    patience: int = 0  # epochs without a better one after which training ends; 0: it goes on to its last
    weigh_labels: bool = False  # a rare label's rows count as much as a frequent one's
    bf16: bool = False  # where it is faster
    shift: int = 0  # pixels
    flip: bool = False
    jpeg: float = 0.0  # share of the pictures that go through JPEG first
    word_dropout: float = 0.0  # share of the words that become the unknown one
    min_count: int = 1  # rarer words share the unknown one
    prior: float = 0.0  # how strongly the word vectors start from naive Bayes

    def __str__(self) -> str:
        """What is not as usual: `epochs 4, batch 50, rate 0.001, word dropout 0.3`."""
        values = [(field, getattr(self, field.name)) for field in fields(self)]
        return ", ".join(f"{field.name.replace('_', ' ')} {value}" for field, value in values if value != field.default)


RECIPES = {
    ("lenet5", "mnist"): Recipe(epochs=30, batch=128, rate=4e-3, weight_decay=0.01, ema=0.998, shift=2),
    ("lenet5", "fashion-mnist"): Recipe(epochs=15, batch=128, rate=4e-3, weight_decay=0.01, ema=0.998, flip=True),
    ("convnetjs", "cifar10"): Recipe(
        epochs=40, batch=128, rate=6e-3, weight_decay=0.01, ema=0.998, shift=2, flip=True, jpeg=0.5
    ),
    ("resnet20", "cifar10"): Recipe(
        epochs=40,
        batch=128,
        rate=0.2,
        optimizer="sgd",
        weight_decay=5e-4,
        smoothing=0.05,
        ema=0.998,
        bf16=True,
        shift=4,
        flip=True,
        jpeg=0.5,
    ),
    ("textcnn", "mr"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=3, prior=3.0),
    ("textcnn", "sst2"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=2, prior=3.0),
    ("textcnn", "subj"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=2, prior=3.0),
    ("textcnn", "trec"): Recipe(epochs=10, batch=50, rate=1e-3, smoothing=0.1, word_dropout=0.1),
}

# From trained weights on (--init): a second, lower cycle.
SECOND = {
    ("resnet20", "cifar10"): replace(RECIPES["resnet20", "cifar10"], epochs=30, rate=0.1, jpeg=0.3),
}


def recipe_for(net: str, data: str, *, rows: int, imbalance: float, side: int, started: bool) -> Recipe:
    """The recipe of a known pair, else one by the number of training rows, by how many times the most frequent label
    outnumbers the rarest, by the side of the pictures in pixels, and by whether the net starts from trained weights."""
    if started and (net, data) in SECOND:
        return SECOND[net, data]
    if (net, data) in RECIPES:
        return RECIPES[net, data]
    weigh = imbalance > 2
    if net not in PICTURE_NETS:
        epochs = max(4, min(20, round(45_000 / rows)))
        return Recipe(
            epochs, 50, 1e-3, word_dropout=0.2, min_count=1 if rows < 20_000 else 3, prior=3.0, weigh_labels=weigh
        )
    epochs = max(10, min(15 if started else 60, round(400_000 / rows)))
    normalised = net.startswith("resnet")  # the older nets have no batch normalisation, and bear smaller steps only
    return Recipe(
        epochs=epochs,
        batch=max(16, min(128, 2 ** (rows // 16).bit_length() // 2)),
        rate=(3e-4 if started else 2e-3) if normalised or net in ("lenet5", "convnetjs") else 3e-4,
        weight_decay=0.05,
        smoothing=0.05,
        patience=max(5, epochs // 3),
        weigh_labels=weigh,
        bf16=net not in ("lenet5", "convnetjs"),
        shift=max(2, side // 8),
        flip=net != "lenet5",  # a mirrored digit is another sign, a mirrored thing is the same thing
        jpeg=0.5 if side <= 64 and net != "lenet5" else 0.0,  # small pictures suffer from it, large ones hardly
    )
