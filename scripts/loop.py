"""The training loop: AdamW on one cycle, averaged weights, the best epoch by validation accuracy."""

import copy
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from nets import TextCNN
from scripts import checkpoint
from scripts.checkpoint import Checkpoint
from scripts.datasets import DataSet
from scripts.recipes import Recipe
from scripts.task import Task


def train(task: Task, data: DataSet, recipe: Recipe, *, seed: int, path: Path, resume: bool) -> Checkpoint:
    """Each epoch draws its chances from its own seed, so a run cut off after any epoch goes on as if it was not."""
    net, averaged = task.net, copy.deepcopy(task.net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    done = Checkpoint(0, {}, {}, {}, {}, 0, 0.0, [])
    if resume and path.exists():
        done = checkpoint.read(path)
        net.load_state_dict(done.net)
        averaged.load_state_dict(done.averaged)
        optimizer.load_state_dict(done.optimizer)
    steps_an_epoch = math.ceil(len(data.train) / recipe.batch)
    targets = torch.from_numpy(data.validation.targets)
    while done.epoch < recipe.epochs:
        epoch, start = done.epoch, time.monotonic()
        torch.manual_seed(seed * 10_007 + epoch)
        losses: list[float] = []
        net.train()
        batches = tqdm(
            task.batches(seed * 10_007 + epoch), total=steps_an_epoch, desc=f"epoch {epoch + 1}/{recipe.epochs}"
        )
        for step, (given, wanted) in enumerate(batches, epoch * steps_an_epoch):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * one_cycle(step / (steps_an_epoch * recipe.epochs))
            loss = F.cross_entropy(net(given), wanted)
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
    return done


def one_cycle(done: float) -> float:
    """A quarter up in a straight line, then down a cosine."""
    return done / 0.25 if done < 0.25 else (1 + math.cos(math.pi * (done - 0.25) / 0.75)) / 2


@torch.no_grad()
def average(averaged: nn.Module, net: nn.Module, keep: float) -> None:
    for old, new in zip(averaged.parameters(), net.parameters(), strict=True):
        old.lerp_(new, 1 - keep)
