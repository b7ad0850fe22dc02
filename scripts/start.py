"""A net that starts from the weights of another run: what fits is taken, what does not is learned anew."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn


def start_from(net: nn.Module, run: Path, *, name: str, labels: tuple[str, ...], words: list[str] | None) -> str:
    """Takes best.pt of that run's folder, of sentences word by word; the last layer only where the labels are the same.
    Says in a sentence what was taken. Raises FileNotFoundError, and ValueError where nothing fits."""
    if missing := [file for file in ("best.pt", "run.json") if not (run / file).exists()]:
        raise FileNotFoundError(
            f"{run} has no {' and no '.join(missing)}: --init takes the folder of a finished training run"
        )
    trained = json.loads((run / "run.json").read_text())
    if trained["net"]["name"] != name:
        raise ValueError(f"{run} is a run of {trained['net']['name']}, not of {name}: start from a run of the same net")
    state: dict[str, Tensor] = torch.load(run / "best.pt", map_location="cpu", weights_only=True)
    if words is not None:
        state = by_word(state, json.loads((run / "words.json").read_text()), net.state_dict(), words)
    if tuple(trained["labels"]) != labels:
        last = {layer for layer, module in net.named_modules() if getattr(module, "out_features", 0) == len(labels)}
        state = {key: tensor for key, tensor in state.items() if key.rpartition(".")[0] not in last}
    return take_over(net, state, of=str(run))


def take_over(net: nn.Module, state: Mapping[str, Tensor], *, of: str) -> str:
    own = net.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise ValueError(f"{of} has no tensor that fits this net: start from a run of the same net")
    net.load_state_dict(fitting, strict=False)
    anew = sorted({name.rsplit(".", 1)[0] for name in own.keys() - fitting.keys()})
    return f"{len(fitting)} of {len(own)} tensors come from {of}" + (
        f"; learned anew: {', '.join(anew)}" if anew else ""
    )


def by_word(state: dict[str, Tensor], known: list[str], own: dict[str, Tensor], words: list[str]) -> dict[str, Tensor]:
    """The tables with the rows of these words, in this order; words that are new keep the vectors they have."""
    numbers = {word: at for at, word in enumerate(known)}
    ordered = dict(state)
    for name, tensor in state.items():
        if name.startswith("tables.") and name in own and own[name].shape[1] == tensor.shape[1]:
            table = own[name].clone()
            for at, word in enumerate(words):
                if word in numbers:
                    table[at] = tensor[numbers[word]]
            ordered[name] = table
    return ordered
