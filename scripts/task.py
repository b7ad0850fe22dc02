"""A net with its data, as the loop sees both: batches of an epoch in, logits of a split out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nets import PICTURE_NETS, TextCNN
from nets.servable import Pixels
from nets.textcnn import Variant
from scripts.augment import move, through_jpeg
from scripts.datasets import DataSet, Split
from scripts.preprocessing import pixels_of
from scripts.recipes import Recipe
from scripts.textgraph import UNKNOWN, tokenize, word_ids

Batch = tuple[Tensor, Tensor]  # what the net takes, targets
VARIANTS: dict[str, tuple[str, ...]] = {
    **{net: tuple(forms) for net, forms in PICTURE_NETS.items()},
    "textcnn": ("rand", "static", "non-static", "multichannel"),
}


class Task(Protocol):
    net: nn.Module

    def batches(self, epoch_seed: int) -> Iterator[Batch]: ...

    def logits(self, net: nn.Module, split: Split) -> Tensor: ...


@dataclass
class PictureTask:
    net: nn.Module
    data: DataSet
    recipe: Recipe
    pixels: Pixels

    def batches(self, epoch_seed: int) -> Iterator[Batch]:
        random = torch.Generator().manual_seed(epoch_seed)
        compressing = np.random.default_rng(epoch_seed)
        rows, targets = self.data.train.rows, torch.from_numpy(self.data.train.targets)
        for chosen in torch.split(torch.randperm(len(targets), generator=random), self.recipe.batch):
            images = rows[chosen.numpy()]
            if self.recipe.jpeg:
                through_jpeg(images, share=self.recipe.jpeg, random=compressing)
            moved = move(torch.from_numpy(images), shift=self.recipe.shift, flip=self.recipe.flip, random=random)
            yield self.pixels(moved), targets[chosen]

    @torch.no_grad()
    def logits(self, net: nn.Module, split: Split) -> Tensor:
        net.eval()
        on = next(net.parameters()).device
        size = max(1, min(500, 2_000_000 // split.rows[0].size))  # rows whose maps fit into memory
        parts = np.array_split(split.rows, range(size, len(split), size))
        return torch.cat([net(self.pixels(torch.from_numpy(np.array(part))).to(on)).cpu() for part in parts])


@dataclass
class SentenceTask:
    net: nn.Module
    data: DataSet
    recipe: Recipe
    words: list[str]
    _ids: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def ids(self, split: Split) -> Tensor:
        if split.name not in self._ids:
            self._ids[split.name] = word_ids(split.rows, self.words)
        return torch.from_numpy(self._ids[split.name])

    def batches(self, epoch_seed: int) -> Iterator[Batch]:
        random = torch.Generator().manual_seed(epoch_seed)
        ids, targets = self.ids(self.data.train), torch.from_numpy(self.data.train.targets)
        order = torch.randperm(len(targets), generator=random)
        # Sentences of like length share a batch, within stretches of ten: little padding, and still a shuffle.
        parts = [
            batch
            for stretch in torch.split(order, self.recipe.batch * 10)
            for batch in torch.split(stretch[(ids[stretch] > 0).sum(1).argsort()], self.recipe.batch)
        ]
        for turn in torch.randperm(len(parts), generator=random).tolist():
            batch = ids[parts[turn]]
            batch = batch[:, : max(1, int((batch > 0).sum(1).max()))]
            dropped = (torch.rand(batch.shape, generator=random) < self.recipe.word_dropout) & (batch > 0)
            yield torch.where(dropped, UNKNOWN, batch), targets[parts[turn]]

    @torch.no_grad()
    def logits(self, net: nn.Module, split: Split) -> Tensor:
        net.eval()
        on = next(net.parameters()).device
        return torch.cat([net(part.to(on)).cpu() for part in torch.split(self.ids(split), 200)])


def make_picture_task(net: str, variant: str, data: DataSet, recipe: Recipe) -> PictureTask:
    return PictureTask(PICTURE_NETS[net][variant](len(data.labels)), data, recipe, pixels_of(net, variant))


def make_sentence_task(
    variant: Variant, data: DataSet, recipe: Recipe, *, words: list[str], table: Tensor | None
) -> SentenceTask:
    """`table`: word vectors, one row a word, for every variant but rand."""
    labels = len(data.labels)
    task = SentenceTask(TextCNN(len(words), labels, variant=variant, vectors=table), data, recipe, words)
    if recipe.prior and labels == 2 and variant == "rand":
        add_prior(task, recipe.prior)
    return task


def vocabulary(sentences: list[str], min_count: int) -> list[str]:
    """The padding, the unknown word, and the words of the training rows, the most frequent first."""
    counts: dict[str, int] = {}
    for tokens in tokenize(sentences):
        for token in tokens:
            token = token.replace("’", "'")
            counts[token] = counts.get(token, 0) + 1
    frequent = [word for word, count in counts.items() if count >= min_count]
    return ["", "<unk>", *sorted(frequent, key=lambda word: (-counts[word], word))]


@torch.no_grad()
def add_prior(task: SentenceTask, strength: float) -> None:
    """Naive Bayes knows a word's side before the first step: its log-count ratio in the training rows (Wang and Manning
    2012), along one random direction of its vector. Worth two points on MR."""
    assert isinstance(task.net, TextCNN)
    table = task.net.tables[0].weight
    assert isinstance(table, Tensor)
    ids, targets = task.ids(task.data.train), task.data.train.targets
    counts = torch.ones(2, len(table))
    for side in (0, 1):
        for row in ids[torch.from_numpy(targets == side)]:
            counts[side, row.unique()] += 1
    ratio = (counts[1] / counts[1].sum()).log() - (counts[0] / counts[0].sum()).log()
    ratio[: UNKNOWN + 1] = 0
    direction = torch.nn.functional.normalize(torch.randn(table.shape[1]), dim=0)
    table += strength * (ratio / ratio.std())[:, None] * direction
