"""How each net is trained on each data set: one line a pair."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch: int
    rate: float  # the highest of the cycle
    weight_decay: float = 0.0
    ema: float = 0.99  # how much of the averaged weights a step keeps
    shift: int = 0  # pixels
    flip: bool = False
    jpeg: float = 0.0  # share of the pictures that go through JPEG first
    word_dropout: float = 0.0  # share of the words that become the unknown one
    min_count: int = 1  # rarer words share the unknown one
    prior: float = 0.0  # how strongly the word vectors start from naive Bayes


RECIPES = {
    ("lenet5", "mnist"): Recipe(epochs=15, batch=128, rate=4e-3, weight_decay=0.01, ema=0.998, shift=2),
    ("lenet5", "fashion-mnist"): Recipe(epochs=15, batch=128, rate=4e-3, weight_decay=0.01, ema=0.998, flip=True),
    ("convnetjs", "cifar10"): Recipe(
        epochs=40, batch=128, rate=6e-3, weight_decay=0.01, ema=0.998, shift=2, flip=True, jpeg=0.5
    ),
    ("textcnn", "mr"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=3, prior=3.0),
    ("textcnn", "sst2"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=2, prior=3.0),
    ("textcnn", "subj"): Recipe(epochs=4, batch=50, rate=1e-3, word_dropout=0.3, min_count=2, prior=3.0),
    ("textcnn", "trec"): Recipe(epochs=12, batch=50, rate=1e-3, word_dropout=0.1),
}
