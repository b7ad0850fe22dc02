import shutil
import tarfile
from pathlib import Path

import pytest

from scripts.folders import Examples, find_examples
from tests.scripts.examples import write_csv, write_pictures


def counts(found: Examples) -> dict[tuple[str | None, str], int]:
    """(split, label) -> examples"""
    keys = [(example.split, example.label) for example in found.examples]
    return {key: keys.count(key) for key in keys}


def test_a_folder_per_class_is_read_with_subfolders_in_a_steady_order(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 2)
    write_pictures(tmp_path / "photos" / "disc" / "indoors", 1, shapes=("more",))
    found = find_examples(tmp_path / "photos", tmp_path)
    assert counts(found) == {(None, "bar"): 2, (None, "disc"): 3}
    assert [example.name for example in found.examples[:2]] == ["bar/bar-000.png", "bar/bar-001.png"]
    assert not found.notes
    assert not found.refused


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_with_a_wrapping_folder_and_the_leavings_of_a_mac(tmp_path: Path, kind: str) -> None:
    inside = tmp_path / "packed" / "My Photos"
    write_pictures(inside, 2)
    write_pictures(tmp_path / "packed" / "__MACOSX" / "My Photos", 2)
    for path in ("bar/._bar-000.png", "bar/.DS_Store", "disc/.thumbnails/small.png"):
        (inside / path).parent.mkdir(exist_ok=True)
        (inside / path).write_bytes(b"Mac OS X")
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), kind, tmp_path / "packed"))
    found = find_examples(archive, tmp_path / "data")
    assert counts(found) == {(None, "bar"): 2, (None, "disc"): 2}
    assert not found.notes


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val", "test"), {"train", "validation", "test"}),
        (("Training", "valid", "Testing"), {"train", "validation", "test"}),
        (("train", "test"), {"train", "test"}),
        (("train",), {None}),
    ],
)
def test_folders_of_splits_are_taken_as_given(tmp_path: Path, names: tuple[str, ...], splits: set[str | None]) -> None:
    for name in names:
        write_pictures(tmp_path / "photos" / name, 2)
    found = find_examples(tmp_path / "photos", tmp_path)
    assert set(counts(found)) == {(split, label) for split in splits for label in ("bar", "disc")}


def test_what_lies_beside_the_splits_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", 2)
    write_pictures(tmp_path / "test", 2)
    write_pictures(tmp_path / "other", 2)
    found = find_examples(tmp_path, tmp_path / "data")
    assert set(counts(found)) == {(split, label) for split in ("train", "test") for label in ("bar", "disc")}
    assert found.notes == ["Beside the folders test, train, other is not used."]


def test_classes_may_be_called_like_splits(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2, shapes=("test", "dev", "production"))
    assert set(counts(find_examples(tmp_path, tmp_path / "data"))) == {
        (None, "dev"),
        (None, "production"),
        (None, "test"),
    }


def test_files_that_can_not_be_used_are_counted_by_kind(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "empty").mkdir()
    for name in ("disc/a.HEIC", "disc/b.heic", "bar/notes.txt"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "loose.png").write_bytes((tmp_path / "bar" / "bar-000.png").read_bytes())
    notes = " ".join(find_examples(tmp_path, tmp_path / "data").notes)
    assert "3 files left out, by name no JPEG, PNG, WebP or GIF picture" in notes
    assert "2 .heic, 1 .txt" in notes
    assert "no pictures in empty" in notes
    assert "1 picture left out, in no label's folder." in notes


@pytest.mark.parametrize("shapes", [(), ("disc",)])
def test_fewer_than_two_labels_are_refused_and_named(tmp_path: Path, shapes: tuple[str, ...]) -> None:
    (tmp_path / "photos").mkdir()
    write_pictures(tmp_path / "photos", 3, shapes=shapes)
    said = r"one label only, disc \(3\)" if shapes else "no pictures"
    with pytest.raises(ValueError, match=f"{said}.*a folder per class.*two labels"):
        find_examples(tmp_path / "photos", tmp_path)


def test_a_folder_with_a_table_of_its_labels_points_to_the_table(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2, shapes=("images",))
    table = write_csv(
        tmp_path / "labels.csv", [("images/images-000.png", "a"), ("images/images-001.png", "b")], ("file", "y")
    )
    with pytest.raises(ValueError, match=rf"one label only, images.*There is a table, {table}: give that as --data"):
        find_examples(tmp_path, tmp_path / "data")
    assert counts(find_examples(table, tmp_path / "data")) == {(None, "a"): 1, (None, "b"): 1}


def test_what_is_not_there_is_said_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no .*nowhere: expected a folder per class"):
        find_examples(tmp_path / "nowhere", tmp_path)


def test_a_table_of_paths_relative_absolute_and_of_windows(tmp_path: Path) -> None:
    write_pictures(tmp_path / "my  photos", 2)  # two spaces
    write_pictures(tmp_path / "elsewhere", 1)
    rows = [
        ("my  photos/bar/bar-000.png", "bar"),
        ("my  photos\\disc\\disc-000.png", "disc"),
        (str(tmp_path / "elsewhere" / "disc" / "disc-000.png"), "disc"),
        ("my  photos/bar/gone.png", "bar"),
        ("", "bar"),
        ("my  photos/bar/bar-001.png", ""),
    ]
    found = find_examples(write_csv(tmp_path / "list.csv", rows, ("image_path", "class")), tmp_path)
    assert [(example.name, example.label) for example in found.examples] == [
        ("bar/bar-000.png", "bar"),
        ("disc/disc-000.png", "disc"),
        ("disc/disc-000.png", "disc"),
    ]
    assert sorted(found.refused) == [
        "line 6 has no image_path",
        "line 7 has no class",
        "my  photos/bar/gone.png: there is no such file",
    ]


def test_a_table_of_paths_none_of_which_is_there_says_where_they_count_from(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "list.csv", [("a.png", "a"), ("b.png", "b")], ("path", "label"))
    with pytest.raises(FileNotFoundError, match=r"none of the 2 files.*a\.png.*the table's own folder"):
        find_examples(table, tmp_path)


def test_a_table_without_a_first_line_of_names(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    rows = [(f"{shape}/{shape}-{at:03}.png", shape) for at in range(3) for shape in ("bar", "disc")]
    found = find_examples(write_csv(tmp_path / "list.csv", rows, None), tmp_path)
    assert counts(found) == {(None, "bar"): 3, (None, "disc"): 3}
    assert found.notes == ["The first line names no columns: every line was taken for path and label."]


def test_a_tar_that_is_plain_is_read(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos" / "train", 2)
    with tarfile.open(tmp_path / "photos.tar", "w") as tarred:
        tarred.add(tmp_path / "photos" / "train", "train")
    assert counts(find_examples(tmp_path / "photos.tar", tmp_path / "data")) == {(None, "bar"): 2, (None, "disc"): 2}
