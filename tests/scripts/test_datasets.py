from pathlib import Path

import numpy as np
import pytest

from scripts.datasets import load, read_idx, read_lines
from scripts.download import ChecksumError
from tests.scripts.conftest import tiny_pictures, write_idx


def test_idx_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    pictures, _ = tiny_pictures(7, 0)
    write_idx(tmp_path / "some.gz", pictures[..., 0])
    assert np.array_equal(read_idx(tmp_path / "some.gz"), pictures[..., 0])


def test_other_bytes_under_an_official_name_are_refused(tmp_path: Path) -> None:
    for part in ("train-images-idx3", "train-labels-idx1"):
        write_idx(tmp_path / "mnist" / f"{part}-ubyte.gz", np.zeros((3, 2), np.uint8))
    with pytest.raises(ChecksumError, match=r"train-images.*expected.*found"):
        load("mnist", tmp_path)


def test_an_ellipsis_of_windows_does_not_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"and then \x85 nothing\nsecond\n")
    assert read_lines(tmp_path / "lines", "cp1252") == ["and then … nothing", "second"]


@pytest.mark.parametrize(("name", "labels"), [("mnist", 10), ("mr", 2), ("trec", 6), ("sst2", 2), ("subj", 2)])
def test_the_public_sets_are_read_and_split_without_overlap(real_data: Path, name: str, labels: int) -> None:
    data = load(name, real_data)
    assert len(data.labels) == labels
    assert min(data.split_sizes.values()) > 200
    assert set(data.train.targets) == set(range(labels))
    if name in ("mr", "trec", "subj"):
        parts = [{row.lower() for row in split.rows} for split in (data.train, data.validation, data.test)]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]


def test_cifar10_is_read_in_its_official_order(real_data: Path) -> None:
    data = load("cifar10", real_data)
    assert data.train.rows.shape[1:] == (32, 32, 3)
    whole = np.concatenate([split.targets for split in (data.train, data.test, data.validation)])
    assert len(whole) >= 50_000
    assert [data.labels[target] for target in whole[:3]] == ["frog", "truck", "truck"]
