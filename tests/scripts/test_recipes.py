from dataclasses import replace

import pytest

from nets import PICTURE_NETS
from scripts.recipes import RECIPES, Recipe, recipe_for


def recipe(net: str, data: str = "photos/", **given: object) -> Recipe:
    usual = {"rows": 1000, "imbalance": 1.0, "side": 224, "started": False}
    return recipe_for(net, data, **{**usual, **given})  # type: ignore[arg-type]


def test_a_known_pair_keeps_its_recipe_and_a_folder_of_that_name_has_none() -> None:
    assert recipe("lenet5", "mnist") == RECIPES["lenet5", "mnist"]
    assert recipe("lenet5", "mnist/") != RECIPES["lenet5", "mnist"]


@pytest.mark.parametrize("net", [*PICTURE_NETS, "textcnn"])
@pytest.mark.parametrize("rows", [1, 6, 17, 300, 2_000_000])
def test_any_number_of_rows_has_a_recipe_that_can_be_followed(net: str, rows: int) -> None:
    found = recipe(net, rows=rows)
    assert 4 <= found.epochs <= 60
    assert 16 <= found.batch <= 128
    assert found.rate > 0


def test_more_rows_need_fewer_epochs_and_bear_larger_batches() -> None:
    found = [recipe("resnet18", rows=rows) for rows in (100, 1000, 10_000, 100_000)]
    assert [each.batch for each in found] == [16, 32, 128, 128]
    assert [each.epochs for each in found] == [60, 60, 40, 10]


def test_trained_weights_are_moved_less_and_for_fewer_epochs() -> None:
    fresh, started = recipe("resnet18"), recipe("resnet18", started=True)
    assert started.rate < fresh.rate
    assert started.epochs < fresh.epochs


def test_unequal_labels_are_weighed() -> None:
    assert recipe("resnet18", imbalance=2.5) == replace(recipe("resnet18"), weigh_labels=True)
    assert recipe("textcnn", imbalance=2.5) == replace(recipe("textcnn"), weigh_labels=True)


def test_digits_are_not_mirrored() -> None:
    assert not recipe("lenet5").flip
    assert recipe("resnet18").flip
