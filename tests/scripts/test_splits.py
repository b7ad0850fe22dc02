import numpy as np

from scripts.splits import group_duplicates, hold_out


def test_a_split_is_seeded_stratified_and_keeps_twins_together() -> None:
    rows = [f"sentence {number // 2 if number < 40 else number}" for number in range(1000)]
    targets = np.repeat([0, 1], [800, 200])
    groups = group_duplicates(rows)
    chosen = hold_out(targets, groups, np.arange(1000), share=0.1, seed=7)
    assert np.array_equal(chosen, hold_out(targets, groups, np.arange(1000), share=0.1, seed=7))
    assert not np.array_equal(chosen, hold_out(targets, groups, np.arange(1000), share=0.1, seed=8))
    assert 80 <= (targets[chosen] == 0).sum() <= 84
    assert (targets[chosen] == 1).sum() == 20
    rest = np.setdiff1d(np.arange(1000), chosen)
    assert not {rows[at] for at in chosen} & {rows[at] for at in rest}
