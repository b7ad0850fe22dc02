"""The winners are torch's, for any kernel, stride, padding and edge."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from service.inspect.switches import DEAD, KEPT, LOST, NOTHING, UNSEEN, Switches, switches

FORMS = [
    # kernel, stride, pad, ceil_mode, height, width
    (2, 2, 0, False, 8, 8),
    (3, 2, 0, False, 13, 13),  # AlexNet: windows overlap
    (3, 2, 0, True, 14, 12),  # GoogLeNet: the last windows reach beyond the edge
    (3, 1, 1, False, 7, 7),
    (3, 2, 1, False, 10, 9),  # ResNet
    (3, 2, 1, True, 10, 9),
    (2, 3, 0, False, 9, 10),  # cells that no window sees
    (5, 4, 2, False, 11, 11),
]


def pooled(maps: torch.Tensor, form: tuple[Any, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    kernel, stride, pad, ceil, _, _ = form
    return F.max_pool2d(maps, kernel, stride, pad, ceil_mode=ceil, return_indices=True)


def found(maps: torch.Tensor, form: tuple[Any, ...]) -> tuple[Switches, Any]:
    after, indices = pooled(maps, form)
    kernel, stride, pad = (form[0],) * 2, (form[1],) * 2, (form[2],) * 4
    return switches(maps[0].numpy(), after[0].numpy(), kernel, stride, pad), indices[0].numpy()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_winners_are_torch_s_indices(form: tuple[Any, ...]) -> None:
    maps = torch.randn(1, 5, *form[4:], generator=torch.Generator().manual_seed(0))
    seen, indices = found(maps, form)
    np.testing.assert_array_equal(seen.winners, indices)
    values = maps[0].flatten(1).gather(1, torch.from_numpy(seen.winners).flatten(1))
    np.testing.assert_array_equal(values.reshape(indices.shape), pooled(maps, form)[0][0])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_after_a_relu_windows_of_zeros_have_nothing_to_keep(form: tuple[Any, ...]) -> None:
    maps = torch.randn(1, 5, *form[4:], generator=torch.Generator().manual_seed(1)).sub(1.5).relu()
    seen, indices = found(maps, form)
    after = pooled(maps, form)[0][0].numpy()
    np.testing.assert_array_equal(seen.winners == NOTHING, after == 0)
    assert (seen.winners == NOTHING).any()
    np.testing.assert_array_equal(seen.winners[after > 0], indices[after > 0])
    assert seen.wins.sum() == (after > 0).sum()
    assert seen.wins.max() <= (-(-form[0] // form[1])) ** 2
    np.testing.assert_array_equal(seen.cells == KEPT, seen.wins > 0)


def test_every_cell_is_kept_lost_unseen_or_has_only_windows_with_nothing() -> None:
    maps = np.zeros((1, 4, 7), np.float32)
    maps[0, 0, 0], maps[0, 1, 1] = 1, 2
    seen = switches(maps, maps.reshape(4, 7)[None, ::2, :6:2], (2, 2), (2, 2), (0, 0, 0, 0))
    assert seen.winners.tolist() == [[[8, -1, -1], [-1, -1, -1]]]
    assert seen.cells[0, :2, :2].tolist() == [[LOST, LOST], [LOST, KEPT]]
    assert set(seen.cells[0, :, 6]) == {UNSEEN}
    assert set(seen.cells[0, 2:, :6].ravel()) == {DEAD}


def test_a_wrong_stride_is_seen() -> None:
    maps = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    after, indices = F.max_pool2d(maps, 3, 2, return_indices=True)
    wrong = switches(maps[0].numpy(), after[0].numpy(), (3, 3), (1, 1), (0, 0, 0, 0))
    assert (wrong.winners != indices[0].numpy()).any()
