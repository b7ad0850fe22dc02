from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks import training
from benchmarks.training import Rates, Workload, measure, pictures, sentences


@pytest.mark.parametrize(
    "generated",
    [lambda: pictures("LeNet-5", "lenet5", "mnist", steps=2), lambda: sentences("Kim's CNN", steps=2)],
    ids=["pictures", "sentences"],
)
def test_a_workload_trains_and_is_measured(generated: Callable[[], Workload], monkeypatch: pytest.MonkeyPatch) -> None:
    workload = generated()
    monkeypatch.setattr(training, "RUNS", 1)
    before = [parameter.detach().clone() for parameter in workload.task.net.parameters()]
    rates = measure(workload)
    assert min(rates.batches, rates.training, rates.evaluation) > 0
    assert any((old != new).any() for old, new in zip(before, workload.task.net.parameters(), strict=True))


def test_the_share_of_loading_is_that_of_the_time_of_a_row() -> None:
    rates = Rates(batches=1000.0, training=250.0, evaluation=2000.0)
    assert rates.waiting == 0.25
    assert replace(rates, batches=250.0).waiting == 1.0


def test_the_recipe_s_jpeg_can_be_left_out() -> None:
    with_jpeg = pictures("with", "convnetjs", "cifar10", steps=1)
    without = pictures("without", "convnetjs", "cifar10", steps=1, jpeg=0.0)
    assert (with_jpeg.recipe.jpeg, without.recipe.jpeg) == (0.5, 0.0)
    assert without.data.train.rows.shape == (128, 32, 32, 3)
