"""A simple method on the same training and test rows, by which a net's accuracy can be judged."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.datasets import DataSet
from scripts.textgraph import tokenize


def baseline(data: DataSet) -> dict[str, Any] | None:
    """None where there are no test rows."""
    if not len(data.test):
        return None
    bayes = isinstance(data.test.rows, list)
    found = naive_bayes(data) if bayes else nearest_mean(data)
    return {
        "method": "multinomial naive Bayes on words and bigrams" if bayes else "nearest class mean of the pixels",
        "data": data.test.name,
        "accuracy": round(float((found == data.test.targets).mean()), 4),
    }


def nearest_mean(data: DataSet) -> npt.NDArray[np.int64]:
    step = max(1, data.train.rows.shape[1] // 32)  # the mean of a class is a blur: a few pixels show it
    train = data.train.rows[:, ::step, ::step].reshape(len(data.train), -1).astype(np.float32)
    means = np.stack([train[data.train.targets == label].mean(0) for label in range(len(data.labels))])
    test = data.test.rows[:, ::step, ::step].reshape(len(data.test), -1).astype(np.float32)
    distances = (means**2).sum(1) - 2 * test @ means.T
    nearest: npt.NDArray[np.int64] = distances.argmin(1)
    return nearest


def naive_bayes(data: DataSet) -> npt.NDArray[np.int64]:
    train = [terms(tokens) for tokens in tokenize(data.train.rows)]
    numbers = {term: at for at, term in enumerate(dict.fromkeys(term for row in train for term in row))}
    counts = np.ones((len(data.labels), len(numbers)))
    for row, target in zip(train, data.train.targets, strict=True):
        counts[target, [numbers[term] for term in row]] += 1
    logs = np.log(counts / counts.sum(1, keepdims=True))
    prior = np.log(np.bincount(data.train.targets, minlength=len(data.labels)) / len(train))
    test = [[numbers[t] for t in terms(tokens) if t in numbers] for tokens in tokenize(data.test.rows)]
    return np.array([(prior + logs[:, row].sum(1)).argmax() for row in test])


def terms(tokens: list[str]) -> list[str]:
    return sorted({*tokens, *(f"{a} {b}" for a, b in pairwise(tokens))})
