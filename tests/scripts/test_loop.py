from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nets.googlenet import AUX_WEIGHT
from scripts.checkpoint import Checkpoint
from scripts.datasets import DataSet, Split
from scripts.loop import average, label_weights, loss_of, make_optimizer, one_cycle, out_of_patience, train
from scripts.recipes import RECIPES, Recipe
from scripts.task import make_picture_task

RECIPE = Recipe(epochs=3, batch=50, rate=4e-3)


def test_auxiliary_heads_count_less_and_only_where_there_are_any() -> None:
    torch.manual_seed(0)
    logits, first, second = torch.randn(3, 4, 5)
    wanted = torch.tensor([0, 1, 2, 3])
    alone = F.cross_entropy(logits, wanted)
    assert loss_of(logits, wanted, None, 0.0) == alone
    together = alone + AUX_WEIGHT * (F.cross_entropy(first, wanted) + F.cross_entropy(second, wanted))
    assert loss_of((logits, first, second), wanted, None, 0.0) == pytest.approx(together.item(), rel=1e-6)


def test_every_label_weighs_the_same_together(tiny_digits: DataSet) -> None:
    weights = label_weights(tiny_digits).numpy()
    counts = np.bincount(tiny_digits.train.targets, minlength=10)
    assert np.ptp(weights * counts) < 1e-3
    assert (weights * counts).sum() == pytest.approx(len(tiny_digits.train), rel=1e-5)


def test_patience_ends_a_run_that_no_longer_gets_better() -> None:
    done = Checkpoint(9, {}, {}, {}, {}, best_epoch=4, seconds=0.0, curve=[])
    assert out_of_patience(done, replace(RECIPE, patience=5))
    assert not out_of_patience(done, replace(RECIPE, patience=6))
    assert not out_of_patience(done, replace(RECIPE, patience=0))


def test_the_rate_rises_a_quarter_of_the_way_and_ends_at_nothing() -> None:
    assert [one_cycle(done) for done in (0, 0.125, 0.25)] == [0, 0.5, 1]
    assert one_cycle(0.625) == pytest.approx(0.5)
    assert one_cycle(1) == pytest.approx(0)


def test_averaging_takes_the_statistics_of_normalisation_along() -> None:
    old, new = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    new(torch.full((4, 2, 3, 3), 10.0))
    average(old, new, 0.9)
    assert torch.allclose(old.running_mean, 0.1 * new.running_mean)
    assert old.num_batches_tracked == 0


def test_only_weights_of_more_than_one_dimension_decay() -> None:
    task_net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = make_optimizer(task_net, replace(RECIPE, optimizer="sgd", weight_decay=0.1))
    decayed, others = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3)]
    assert (decayed["weight_decay"], others["weight_decay"], len(others["params"])) == (0.1, 0.0, 3)


@pytest.mark.parametrize("bf16", [False, True])
def test_a_net_with_normalisation_learns_in_either_precision(tmp_path: Path, bf16: bool) -> None:
    """Two colours, told by their brightest channel, in rows made up here."""
    random = np.random.default_rng(0)

    def split(name: str, n: int) -> Split:
        targets = random.integers(0, 2, n)
        rows = random.integers(0, 80, (n, 32, 32, 3), dtype=np.uint8)
        rows[np.arange(n), :, :, targets] += 120
        return Split(name, rows, targets)

    data = DataSet("two", ("red", "green"), *(split(name, 60) for name in "abc"), "made up", None)  # type: ignore[arg-type]
    recipe = replace(RECIPES["resnet20", "cifar10"], epochs=3, batch=10, rate=0.02, jpeg=0.0, bf16=bf16)
    torch.manual_seed(0)
    done = train(
        make_picture_task("resnet20", "paper", data, recipe),
        data,
        recipe,
        seed=0,
        path=tmp_path / "checkpoint.pt",
        resume=False,
    )
    assert done.curve[-1][2] >= 0.9
    assert all(value.dtype != torch.bfloat16 for value in done.best.values())


def test_a_checkpoint_of_another_net_is_refused_in_words(tmp_path: Path, tiny_digits: DataSet) -> None:
    recipe = replace(RECIPE, epochs=1)
    path = tmp_path / "checkpoint.pt"
    train(
        make_picture_task("lenet5", "modern", tiny_digits, recipe), tiny_digits, recipe, seed=0, path=path, resume=False
    )
    fewer = replace(tiny_digits, labels=tiny_digits.labels[:9])
    with pytest.raises(ValueError, match="another net, or of data with other labels"):
        train(make_picture_task("lenet5", "modern", fewer, recipe), fewer, recipe, seed=0, path=path, resume=True)
