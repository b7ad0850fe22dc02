from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scripts.calibration import calibrate, calibrate_on, softmax
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


def test_the_fewer_rows_are_all_right_the_less_the_temperature_falls() -> None:
    temperatures = [calibrate(np.array([[3.0, -3.0]] * n), np.zeros(n, np.int64)) for n in (1, 2, 10, 100)]
    assert temperatures == sorted(temperatures, reverse=True)
    assert 0.1 < temperatures[-1] < temperatures[0] < 1


def test_a_few_rows_that_are_all_wrong_have_a_finite_temperature() -> None:
    assert 1 < calibrate(np.array([[5.0, -5.0], [4.0, -4.0]]), np.ones(2, np.int64)) < 100


def test_what_a_spec_says_of_it_is_a_number_that_can_divide() -> None:
    told = calibrate_on(np.array([[9.0, 0.0], [0.0, 9.0]]), Split("two rows", np.empty(2), np.array([0, 1])))
    assert told["temperature"] > 0
    assert np.isfinite([told["temperature"], told["ece_before"], told["ece_after"]]).all()
