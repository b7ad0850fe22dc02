from typing import Any

import numpy as np
import pytest

from service.errors import InvalidInput
from service.inspect import occlusion
from service.inspect.occlusion import BATCH, GREY, hide_squares, hide_words


def test_the_part_that_the_score_needs_is_where_it_falls() -> None:
    row = np.full((26, 26, 3), 10, np.uint8)
    row[20, 4] = 200

    def run(rows: list[Any]) -> Any:
        assert len(rows) <= BATCH
        return np.array([[float(each[20, 4, 0] == 200), 0.0] for each in rows])

    found = hide_squares(run, row, 0, 1e-4)
    assert found.values.shape == (13, 13)
    assert (found.score, found.runs) == (1.0, 169)
    ys, xs = np.nonzero(found.values)
    assert ys.size
    assert (abs(ys * 23 / 12 + 1.5 - 20) <= 2.5).all()
    assert (abs(xs * 23 / 12 + 1.5 - 4) <= 2.5).all()
    assert row[20, 4, 0] == 200  # the row itself stays as it was
    assert GREY not in row


@pytest.mark.parametrize(("seconds", "grid"), [(1e-4, 13), (0.01, 7), (0.03, 5), (0.06, 4)])
def test_the_grid_is_the_finest_that_fits_into_a_second(seconds: float, grid: int) -> None:
    row = np.zeros((32, 32, 1), np.uint8)
    assert hide_squares(lambda rows: np.zeros((len(rows), 2)), row, 0, seconds).values.shape == (grid, grid)


def test_what_takes_too_long_is_refused_with_the_time() -> None:
    row = np.zeros((32, 32, 1), np.uint8)
    with pytest.raises(InvalidInput, match=r"16 runs .* at 200\.0 ms each, 3\.2 s"):
        hide_squares(lambda rows: np.zeros((len(rows), 2)), row, 0, 0.2)
    with pytest.raises(InvalidInput, match="300 runs"):
        hide_words(lambda rows: np.zeros((len(rows), 2)), ["word"] * 300, 0, 0.01)


def test_what_takes_longer_than_was_estimated_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run(rows: list[Any]) -> Any:
        asked.append(len(rows))
        return np.zeros((len(rows), 2))

    # Half a second a batch, where a second for all was to be expected.
    monkeypatch.setattr(occlusion.time, "perf_counter", lambda: 0.5 * len(asked))
    with pytest.raises(InvalidInput, match=r"300 runs .* at 31\.2 ms each, 9\.4 s"):
        hide_words(run, ["word"] * 300, 0, 0.003)
    assert asked == [BATCH] * 5
