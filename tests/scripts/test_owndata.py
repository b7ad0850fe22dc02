import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.datasets import DataSet
from scripts.owndata import check_memory, read_data
from scripts.preprocessing import image_input
from service.spec import ImageInput, SentenceInput
from tests.scripts.examples import encoded, picture, reviews, write_csv, write_pictures

choose = partial(image_input, "convnetjs", "demo", None)  # 32 x 32


def read(source: Path, seed: int = 0) -> DataSet:
    is_text = source.suffix in (".csv", ".tsv", ".jsonl")
    return read_data(str(source), None, choose=None if is_text else choose, seed=seed)


def story(data: DataSet) -> str:
    return "\n".join(data.found)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # archives are unpacked into data/


def test_pictures_are_split_by_seed_and_stratified(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 20)
    data = read(tmp_path / "photos")
    assert data.labels == ("bar", "disc")
    assert data.counts == {
        "train": {"bar": 14, "disc": 14},
        "validation": {"bar": 3, "disc": 3},
        "test": {"bar": 3, "disc": 3},
    }
    assert data.train.rows.shape == (28, 32, 32, 3)
    assert data.train.rows.dtype == np.uint8
    assert data.found == [
        "40 pictures of 2 labels: bar 20, disc 20.",
        "28 for train, 6 for validation, 6 for test, split by seed 0.",
    ]
    again, other = read(tmp_path / "photos"), read(tmp_path / "photos", seed=1)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(again, part).rows, getattr(data, part).rows)
    assert not np.array_equal(other.test.rows, data.test.rows)


def test_every_row_keeps_its_own_label_whatever_is_left_out(tmp_path: Path) -> None:
    """Each class is of one grey level, so a row that lost its label shows."""
    for label in range(5):
        (tmp_path / "greys" / str(label)).mkdir(parents=True)
        for at in range(10):
            grey = encoded(Image.new("RGB", (40, 40), (label * 40 + at,) * 3))
            (tmp_path / "greys" / str(label) / f"{at}.png").write_bytes(grey[:60] if at % 4 == 1 else grey)
    data = read(tmp_path / "greys")
    seen = []
    for split in (data.train, data.validation, data.test):
        values = split.rows[:, 5, 5, 0]
        assert (values // 40 == split.targets).all()
        seen += values.tolist()
    assert sorted(seen) == [label * 40 + at for label in range(5) for at in range(10) if at % 4 != 1]


def test_a_broken_picture_and_a_text_named_like_one_are_named_and_left_out(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 10)
    (tmp_path / "photos" / "bar" / "letter.jpg").write_text("Dear Sir or Madam")
    (tmp_path / "photos" / "bar" / "nothing.png").write_bytes(b"")
    whole = encoded(picture("disc", 77, 200))
    (tmp_path / "photos" / "disc" / "cut.png").write_bytes(whole[: len(whole) // 2])
    data = read(tmp_path / "photos")
    assert "20 pictures of 2 labels" in story(data)
    assert "3 inputs left out" in story(data)
    for name in ("bar/letter.jpg: ", "bar/nothing.png: ", "disc/cut.png: the PNG picture is broken"):
        assert name in story(data)


def test_pictures_of_every_kind_become_what_the_service_would_make_of_them(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 8)
    upright = picture("disc", 5, 60)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees
    kinds = {
        "turned.jpg": encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=turned),
        "grey.png": encoded(upright.convert("L")),
        "deep.png": encoded(Image.fromarray(np.full((40, 40), 30_000, np.uint16))),
        "ink.jpg": encoded(upright.convert("CMYK"), "JPEG"),
        "clear.png": encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0))),
        "palette.gif": encoded(upright.convert("P"), "GIF"),
        "small.webp": encoded(upright, "WEBP"),
        "saved.jfif": encoded(upright, "JPEG"),
    }
    for name, content in kinds.items():
        (tmp_path / "photos" / "disc" / name).write_bytes(content)
    data = read(tmp_path / "photos")
    assert data.found[0] == "24 pictures of 2 labels: bar 8, disc 16."
    rows = np.concatenate([data.train.rows, data.validation.rows, data.test.rows]).astype(int)
    assert (rows == 255).all((1, 2, 3)).sum() == 1  # transparent on white
    assert (rows == 30_000 >> 8).all((1, 2, 3)).sum() == 1
    wanted = np.asarray(upright.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    near = np.abs(rows - wanted).mean((1, 2, 3)) < 8
    assert near.sum() >= 3  # turned, saved and small


def test_copies_are_told_within_and_across_the_splits(tmp_path: Path) -> None:
    for split, n, seed in (("train", 10, 0), ("val", 5, 500), ("test", 5, 900)):
        write_pictures(tmp_path / "photos" / split, n, seed=seed)
    photos = tmp_path / "photos"
    shutil.copy(photos / "train" / "bar" / "bar-000.png", photos / "test" / "bar" / "seen.png")
    shutil.copy(photos / "train" / "bar" / "bar-001.png", photos / "train" / "disc" / "torn.png")
    data = read(photos)
    assert "2 copies of others" in story(data)
    assert "Also in train: 1 of the 11 for test, such as bar/seen.png, so" in story(data)
    assert "1 input with more than one label" in story(data)
    assert "bar/bar-001.png as bar and disc/torn.png as disc" in story(data)
    assert "21 for train, 10 for validation, 11 for test, as the data says." in story(data)
    assert data.test.name == "photos/ test, as the data says"


def test_a_missing_split_is_held_out_and_the_others_stay(tmp_path: Path) -> None:
    for split, n, seed in (("train", 20, 0), ("test", 5, 900)):
        write_pictures(tmp_path / "photos" / split, n, seed=seed)
    data = read(tmp_path / "photos")
    assert data.split_sizes == {"train": 34, "validation": 6, "test": 10}
    assert (
        "34 for train (as the data says), 6 for validation (split by seed 0), 10 for test (as the data says)."
        in story(data)
    )


def test_few_rows_and_unequal_labels_are_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 30, shapes=("bar",))
    write_pictures(tmp_path / "photos", 3, shapes=("disc",), seed=50)
    write_pictures(tmp_path / "photos", 1, shapes=("dot",), seed=90)
    data = read(tmp_path / "photos")
    assert "bar has 30.0 times as many as dot: rare labels weigh more in training." in story(data)
    assert "too few to learn a label from, or to tell how well: disc, dot." in story(data)
    assert "Of disc, dot there are none in the test part." in story(data)
    assert data.counts["train"] == {"bar": 22, "disc": 3, "dot": 1}


def test_too_few_to_hold_any_out_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 3)
    with pytest.raises(ValueError, match=r"6 inputs of 2 labels, too few to hold some out.*five different ones"):
        read(tmp_path / "photos")


def test_a_label_without_training_rows_is_refused_by_name(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos" / "train", 8)
    write_pictures(tmp_path / "photos" / "test", 2, shapes=("bar", "disc", "star"), seed=70)
    with pytest.raises(ValueError, match="no training row has the label star"):
        read(tmp_path / "photos")


def test_a_class_of_which_nothing_can_be_read_is_refused_with_the_reasons(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 8)
    for path in (tmp_path / "photos" / "disc").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        ValueError, match=r"8 inputs of 1 label:.*two labels or more; left out: disc/disc-000.png: .*broken"
    ):
        read(tmp_path / "photos")


def test_labels_that_are_numbers_come_in_their_order(tmp_path: Path) -> None:
    rows = [
        (f"text {at} of {label}", label) for at in range(5) for label in ("10", "2", "-1", "nan", "Nan bread", "inf")
    ]
    assert read(write_csv(tmp_path / "a.csv", rows)).labels == ("-1", "2", "10", "Nan bread", "inf", "nan")


def test_a_folder_called_like_a_named_data_set_is_not_taken_for_it(tmp_path: Path) -> None:
    data = read(write_pictures(tmp_path / "mnist", 8))
    assert data.name == "mnist/"
    assert data.licence == "that of your data"


def test_pictures_that_would_not_fit_into_memory_are_refused_before_they_are_decoded() -> None:
    given = ImageInput(height=224, width=224, channels=3, fit="crop", background="white")
    check_memory(50_000, given, 16 << 30)
    with pytest.raises(ValueError, match=r"100,000 pictures.* 14\.0 GiB, more than half of .* 16\.0: give fewer"):
        check_memory(100_000, given, 16 << 30)


def test_sentences_of_a_table_become_splits(tmp_path: Path) -> None:
    data = read(write_csv(tmp_path / "reviews.csv", reviews(40)))
    assert data.labels == ("bad", "good")
    assert data.split_sizes == {"train": 58, "validation": 10, "test": 12}
    assert data.input == SentenceInput(max_characters=2000)
    assert data.found[0] == "80 sentences of 2 labels: bad 40, good 40."
    assert read(tmp_path / "reviews.csv").test.rows == data.test.rows
    assert read(tmp_path / "reviews.csv", seed=1).test.rows != data.test.rows


def test_ten_rows_in_all_are_enough_to_begin_with(tmp_path: Path) -> None:
    data = read(write_csv(tmp_path / "reviews.csv", reviews(5)))
    assert data.split_sizes == {"train": 6, "validation": 2, "test": 2}
    assert "too few to learn a label from, or to tell how well: bad, good." in story(data)


def test_sentences_alike_but_for_case_and_space_are_copies(tmp_path: Path) -> None:
    rows = [*reviews(20), ("A  LOVELY film,\nseen 0 times", "good"), ("a dull film, Seen 0 times", "good")]
    data = read(write_csv(tmp_path / "reviews.csv", rows))
    assert "2 copies of others" in story(data)
    assert "'a dull film, seen 0 times' as bad and 'a dull film, Seen 0 times' as good" in story(data)


def test_long_texts_are_cut_and_empty_ones_left_out_with_words_on_both(tmp_path: Path) -> None:
    rows = [*reviews(20), ("so good " * 400, "good"), ("  ", "bad")]
    data = read(write_csv(tmp_path / "reviews.csv", rows))
    assert "1 text cut to 2,000 characters" in story(data)
    assert "1 input left out: line 43 has no text." in story(data)
    assert max(map(len, data.train.rows + data.validation.rows + data.test.rows)) == 2000


def test_a_column_of_splits_is_taken_and_its_other_words_are_left_out(tmp_path: Path) -> None:
    words = ("train", "train", "dev", "test", "extra")
    rows = [(*pair, words[at // 2 % 5]) for at, pair in enumerate(reviews(50))]
    data = read(write_csv(tmp_path / "reviews.csv", rows, ("text", "label", "split")))
    assert data.split_sizes == {"train": 40, "validation": 20, "test": 20}
    assert "20 rows left out, of the split 'extra'" in story(data)


def test_a_column_of_folds_is_not_taken_for_splits(tmp_path: Path) -> None:
    rows = [(*pair, str(at % 3)) for at, pair in enumerate(reviews(20))]
    data = read(write_csv(tmp_path / "reviews.csv", rows, ("text", "label", "fold")))
    assert sum(data.split_sizes.values()) == 40
    assert "says '0', '1', '2', not train, validation or test: not used." in story(data)


def test_a_net_of_the_other_kind_is_told_what_the_data_lacks(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "reviews.csv", reviews(5))
    with pytest.raises(ValueError, match=r"has the columns text, label: expected.*path or file"):
        read_data(str(table), None, choose=choose, seed=0)
    rows = [(f"{at}.png", "ab"[at % 2]) for at in range(10)]
    with pytest.raises(ValueError, match=r"has the columns path, label: expected.*text or sentence"):
        read_data(str(write_csv(tmp_path / "paths.csv", rows, ("path", "label"))), None, choose=None, seed=0)
    with pytest.raises(ValueError, match="no table that can be read"):
        read_data(str(write_pictures(tmp_path / "photos", 5)), None, choose=None, seed=0)
    with pytest.raises(FileNotFoundError, match="there is no cifar: expected a path, or one of mnist,"):
        read_data("cifar", None, choose=choose, seed=0)
