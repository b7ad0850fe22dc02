"""The training loop: one cycle, averaged weights, the best epoch by validation accuracy."""

import copy
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from nets import TextCNN
from nets.googlenet import AUX_WEIGHT
from scripts import checkpoint
from scripts.ahead import ahead
from scripts.checkpoint import Checkpoint
from scripts.datasets import DataSet
from scripts.hardware import bf16_is_fast, device
from scripts.recipes import Recipe
from scripts.task import Task


def train(task: Task, data: DataSet, recipe: Recipe, *, seed: int, path: Path, resume: bool) -> Checkpoint:
    """Each epoch draws its chances from its own seed, so a run cut off after any epoch goes on as if it was not. Raises
    ValueError where the checkpoint to go on from is of another net."""
    on = device()
    bf16 = recipe.bf16 and bf16_is_fast(on)
    net = task.net.to(on)
    if bf16:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(net)
    optimizer = make_optimizer(net, recipe)
    done = Checkpoint(0, {}, {}, {}, {}, 0, 0.0, [])
    if resume and path.exists():
        done = checkpoint.read(path)
        try:
            net.load_state_dict(done.net)
            averaged.load_state_dict(done.averaged)
            optimizer.load_state_dict(done.optimizer)
        except (RuntimeError, ValueError) as error:  # other layers, labels or words
            raise ValueError(
                f"{path} is of another net, or of data with other labels or words: leave --resume out to train anew, "
                "or give another --out"
            ) from error
    steps_an_epoch = math.ceil(len(data.train) / recipe.batch)
    targets = torch.from_numpy(data.validation.targets)
    weights = label_weights(data).to(on) if recipe.weigh_labels else None
    while done.epoch < recipe.epochs and not out_of_patience(done, recipe):
        epoch, start = done.epoch, time.monotonic()
        torch.manual_seed(seed * 10_007 + epoch)
        losses: list[float] = []
        net.train()
        batches = tqdm(
            ahead(task.batches(seed * 10_007 + epoch)), total=steps_an_epoch, desc=f"epoch {epoch + 1}/{recipe.epochs}"
        )
        for step, (given, wanted) in enumerate(batches, epoch * steps_an_epoch):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * one_cycle(step / (steps_an_epoch * recipe.epochs))
            with torch.autocast(on.type, torch.bfloat16, enabled=bf16):
                answer = net(given.to(on))
            loss = loss_of(answer, wanted.to(on), weights, recipe.smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if isinstance(net, TextCNN):
                net.limit_norm()
            average(averaged, net, min(recipe.ema, (step + 1) / (step + 10)))
            losses.append(loss.item())
            if step % 20 == 0:
                batches.set_postfix(loss=f"{sum(losses[-50:]) / len(losses[-50:]):.3f}")
        logits = task.logits(averaged, data.validation)
        accuracy = (logits.argmax(1) == targets).double().mean().item()
        done.curve.append((sum(losses) / len(losses), F.cross_entropy(logits, targets).item(), accuracy))
        if accuracy >= max(accuracy for _, _, accuracy in done.curve):
            done.best, done.best_epoch = copy.deepcopy(averaged.state_dict()), epoch + 1
        done.epoch, done.net, done.averaged = epoch + 1, net.state_dict(), averaged.state_dict()
        done.optimizer = optimizer.state_dict()
        done.seconds += time.monotonic() - start
        checkpoint.save(done, path)
        left = done.seconds / done.epoch * (recipe.epochs - done.epoch)
        tqdm.write(
            f"epoch {done.epoch}: loss {done.curve[-1][0]:.4f}, validation {accuracy:.2%}, {left / 60:.1f} min left"
        )
    task.net = net.to("cpu")
    return done


def make_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Biases and the scales of normalisation do not decay with SGD, as in the ResNets' usual recipe."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.weight_decay)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)


def loss_of(answer: Any, wanted: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Auxiliary heads, which GoogLeNet has in training, count less (Szegedy et al. 2014, section 5)."""
    logits, *auxiliary = answer if isinstance(answer, tuple) else (answer,)
    losses = [
        F.cross_entropy(each.float(), wanted, weight=weights, label_smoothing=smoothing)
        for each in (logits, *auxiliary)
    ]
    return losses[0] + AUX_WEIGHT * sum(losses[1:], torch.zeros_like(losses[0]))


def label_weights(data: DataSet) -> Tensor:
    """Such that every label's rows weigh the same together, and the average row 1."""
    counts = torch.bincount(torch.from_numpy(data.train.targets), minlength=len(data.labels)).clamp(min=1)
    return counts.sum() / (len(counts) * counts.float())


def out_of_patience(done: Checkpoint, recipe: Recipe) -> bool:
    return bool(recipe.patience) and done.epoch - done.best_epoch >= recipe.patience


def one_cycle(done: float) -> float:
    """A quarter up in a straight line, then down a cosine."""
    return done / 0.25 if done < 0.25 else (1 + math.cos(math.pi * (done - 0.25) / 0.75)) / 2


@torch.no_grad()
def average(averaged: nn.Module, net: nn.Module, keep: float) -> None:
    """Weights, and the means and variances of batch normalisation, which belong to them."""
    for old, new in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
