import numpy as np

from scripts.splits import group_duplicates, hold_out, read_splits, split_rows


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


def test_rows_in_many_copies_do_not_swell_the_held_out_parts() -> None:
    groups = np.repeat(np.arange(100), 10)  # every row is there ten times
    targets = np.arange(1000) // 10 % 2
    parts = split_rows(targets, groups, [None] * 1000, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 720, "validation": 120, "test": 160}
    assert not set(groups[parts["train"]]) & set(groups[parts["test"]])
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1000))


def test_a_label_with_few_rows_keeps_them_for_training() -> None:
    targets = np.array([0] * 40 + [1] * 3 + [2] * 4)
    groups = np.array([*range(43), 43, 43, 43, 43])  # of label 2, one row four times
    for seed in range(20):
        parts = split_rows(targets, groups, [None] * 47, seed=seed)
        assert np.bincount(targets[parts["train"]], minlength=3)[1:].tolist() == [3, 4]


def test_given_splits_stay_and_the_missing_one_is_held_out_of_the_rest() -> None:
    targets, groups = np.arange(100) % 2, np.arange(100)
    splits = ["train"] * 60 + ["test"] * 20 + [None] * 20
    parts = split_rows(targets, groups, splits, seed=0)
    assert parts["test"].tolist() == list(range(60, 80))
    assert len(parts["validation"]) == 12
    assert len(parts["train"]) == 68
    assert np.array_equal(split_rows(targets, groups, splits, seed=0)["validation"], parts["validation"])
    assert not np.array_equal(split_rows(targets, groups, splits, seed=1)["validation"], parts["validation"])


def test_the_words_for_splits_are_known_in_any_case() -> None:
    splits, others = read_splits(["TRAIN", " dev ", "Testing", "valid", "extra", None, "", "extra"])
    assert splits == ["train", "validation", "test", "validation", None, None, None, None]
    assert others == {"extra": 2}
