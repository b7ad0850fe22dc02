from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scripts.calibration import LIMIT, calibrate, calibrate_on, softmax
from scripts.datasets import Split


def honest(n: int, seed: int = 0) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Logits of three labels, and targets drawn by their scores: the right temperature is 1."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 3)) * 2
    return logits, np.array([random.choice(3, p=row) for row in softmax(logits)])


@pytest.mark.parametrize("sharper", [0.2, 1.0, 5.0])
def test_many_rows_give_the_temperature_by_which_the_logits_were_sharpened(sharper: float) -> None:
    logits, targets = honest(4000)
    assert calibrate(logits * sharper, targets) == pytest.approx(sharper, rel=0.05)


@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_rows_that_are_all_right_make_a_net_as_sure_as_their_number_allows(n: int) -> None:
    logits = np.array([[0.1, -0.1]] * n)
    temperature = calibrate(logits, np.zeros(n, np.int64))
    assert softmax(logits / temperature).max() == pytest.approx((n + 1) / (n + 2), abs=1e-3)


def test_rows_that_are_worse_than_chance_have_a_finite_temperature() -> None:
    logits = np.array([[5.0, -5.0], [4.0, -4.0]])
    assert calibrate(logits, np.ones(2, np.int64)) == LIMIT


def test_what_a_spec_says_of_it_is_never_zero() -> None:
    tiny = Split("two rows", np.empty(2), np.array([0, 1]))
    told = calibrate_on(np.array([[2e-3, 0.0], [0.0, 2e-3]]), tiny)
    assert told["temperature"] == 1 / LIMIT
    assert np.isfinite([told["ece_before"], told["ece_after"]]).all()
