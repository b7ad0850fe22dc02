"""All that a training needs to go on after a kill: tensors and numbers only, replaced in one step."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass
class Checkpoint:
    epoch: int  # epochs done
    net: dict[str, Any]
    averaged: dict[str, Any]
    optimizer: dict[str, Any]
    best: dict[str, Any]
    best_epoch: int
    seconds: float
    curve: list[tuple[float, float, float]]  # training loss, validation loss, validation accuracy of each epoch


def save(checkpoint: Checkpoint, path: Path) -> None:
    fresh = path.with_name(path.name + ".part")
    torch.save({field.name: getattr(checkpoint, field.name) for field in dataclasses.fields(checkpoint)}, fresh)
    os.replace(fresh, path)


def read(path: Path) -> Checkpoint:
    return Checkpoint(**torch.load(path, weights_only=True))
