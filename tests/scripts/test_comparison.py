import numpy as np
import pytest

from scripts.comparison import Paired, compare


def test_rows_are_compared_pair_by_pair() -> None:
    targets = np.array([0, 0, 1, 1, 1])
    first = np.eye(2, dtype=np.float32)[[0, 0, 1, 0, 0]]
    second = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]]
    assert compare(first, second, targets) == Paired(n=5, lost=2, won=1)


@pytest.mark.parametrize(("lost", "won", "worse"), [(0, 0, False), (13, 11, False), (20, 10, True), (10, 40, False)])
def test_a_few_rows_more_or_less_are_chance(lost: int, won: int, worse: bool) -> None:
    assert Paired(n=2500, lost=lost, won=won).told_apart is worse
