"""Nets of random weights, exported as the real ones are, with a view of each; and every tensor that torch made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from scripts.datasets import DataSet, Split
from scripts.export import drop_notes, graph_of, round_as_stored
from scripts.graphfile import write_graph
from scripts.inspection import inspect_block
from scripts.preprocessing import image_input
from scripts.recipes import Recipe
from scripts.task import PictureTask, SentenceTask, make_picture_task, make_sentence_task, vocabulary
from scripts.textgraph import word_ids
from service.engine.session import Session
from service.inspect.view import View
from service.spec import ImageInput, ModelSpec, SentenceInput

LABELS = ("dawn", "noon", "dusk")
TEMPERATURE = 1.5
RECIPE = Recipe(epochs=0, batch=1, rate=0.0)
SENTENCES = ["the morning is still cold", "the sun is high", "it's getting dark", "what a night, what a morning!"]


@dataclass
class Exported:
    task: PictureTask | SentenceTask
    view: View
    serving: Session

    @property
    def row(self) -> Any:
        given = self.view.spec.input
        if isinstance(given, SentenceInput):
            return "what a dark and cold morning, it's still dark"
        return picture(given, seed=1)

    def logits(self, row: Any) -> torch.Tensor:
        """Of torch, 1 x labels; in a mode of gradients where there is one."""
        net = self.task.net.eval()
        if isinstance(self.task, SentenceTask):
            return net(torch.from_numpy(word_ids([row], self.task.words)))  # type: ignore[no-any-return]
        return net(self.task.pixels(torch.from_numpy(row[None])))  # type: ignore[no-any-return]


def picture(given: ImageInput, seed: int) -> Any:
    """Smooth noise: a net of random weights gives nearly the same of every white noise."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, given.channels), dtype=np.uint8)
    at = np.linspace(0, 4.99, given.height).astype(int), np.linspace(0, 4.99, given.width).astype(int)
    return np.ascontiguousarray(small[at[0]][:, at[1]])


def export(net: str, variant: Any, folder: Path) -> Exported:
    torch.manual_seed(0)
    task: PictureTask | SentenceTask
    given: ImageInput | SentenceInput
    if net == "textcnn":
        given = SentenceInput(max_characters=200)
        parts = [Split(name, SENTENCES, np.arange(4) % len(LABELS)) for name in ("train", "validation", "test")]
        data = DataSet("hours", LABELS, *parts, "four sentences", given)
        words = vocabulary(SENTENCES, 1)
        task = make_sentence_task(variant, data, RECIPE, words=words, table=None)
        round_as_stored(task.net)
    else:
        given = image_input(net, variant, None, [32])
        shape = (0, given.height, given.width, given.channels)
        empty = Split("none", np.empty(shape, np.uint8), np.empty(0, np.int64))
        task = make_picture_task(
            net, variant, DataSet("none", LABELS, empty, empty, empty, "none", given), RECIPE
        )  # fmt: skip
        with torch.no_grad():  # as some begin, nothing reaches the last layer but its biases
            for layer in task.net.modules():
                if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    model = graph_of(task, TEMPERATURE)
    inspect = inspect_block(net, model)
    drop_notes(model)
    folder.mkdir(parents=True)
    spec = ModelSpec(
        name=net,
        version="1",
        title=net,
        task="sentence-classification" if net == "textcnn" else "image-classification",
        labels=LABELS,
        input=given,
        scores="softmax",
        graph=write_graph(model, folder),
        inspect=inspect,
    )
    serving = Session((folder / "model.onnx").read_bytes(), provider="cpu", folder=folder)
    return Exported(task, View(spec, folder, None), serving)


class Tensors(TorchFunctionMode):
    """Keeps every tensor of floats that a function gives, in order, with its gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.dtype == torch.float32 and out.dim() > 1:
            if out.requires_grad:
                out.retain_grad()
            self.made.append(out)
        return out

    def like(self, values: Any, tolerance: float = 1e-4) -> list[torch.Tensor]:
        """Those that are these values, within a share of the largest."""
        expected = torch.from_numpy(np.array(values))
        limit = tolerance * max(1.0, float(expected.abs().max()))
        return [
            each
            for each in self.made
            if each.shape == expected.shape and float((each.detach() - expected).abs().max()) <= limit
        ]
