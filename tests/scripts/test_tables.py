import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from scripts.tables import Row, Table
from tests.scripts.examples import reviews, write_csv


def read(path: Path, content: str | bytes) -> Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Table.read(path)


def pairs(table: Table) -> list[tuple[str, str]]:
    return [(row.input, row.label) for row in table.rows]


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nso it goes,good\n",
        "\ufefftext,label\nso it goes,good\n",
        "text;label\nso it goes;good\n",
        "label\ttext\ngood\tso it goes\n",
        "id,Sentiment, Review\r\n7,good,so it goes\r\n",
        "text,label\rso it goes,good\r",
        "text,label\n\n  \nso it goes,good\n\n",
    ],
    ids=["plain", "mark", "semicolons", "tabs", "other names", "old mac", "empty lines"],
)
def test_a_csv_file_is_read_as_spreadsheets_write_it(tmp_path: Path, content: str) -> None:
    table = read(tmp_path / "a.csv", content)
    assert pairs(table) == [("so it goes", "good")]
    assert not table.skipped


def test_quotes_hold_commas_line_breaks_and_quotes(tmp_path: Path) -> None:
    text = 'He said "no", twice,\nand\x85 left\u2028the room'
    table = read(tmp_path / "a.csv", f'text,label\n"{text.replace(chr(34), chr(34) * 2)}",bad\nfine,good\n')
    assert pairs(table) == [(text, "bad"), ("fine", "good")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
def test_accents_and_curly_quotes_survive_the_encoding(tmp_path: Path, encoding: str) -> None:
    table = read(tmp_path / "a.csv", "text,label\n“Café” – très bien…,good\n".encode(encoding))
    assert pairs(table) == [("“Café” – très bien…", "good")]


def test_a_text_with_a_comma_and_no_quotes_is_named_not_misread(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "text,label\nfunny, and warm,good\ndull,bad\n")
    assert pairs(table) == [("dull", "bad")]
    assert len(table.skipped) == 1
    assert table.skipped[0].startswith("line 2 has 3 fields, the first line 2")


@pytest.mark.parametrize("row", ['"never closed,good', '"one" more,good'])
def test_a_quote_gone_wrong_is_refused_rather_than_swallowing_rows(tmp_path: Path, row: str) -> None:
    with pytest.raises(ValueError, match="write each quote within it twice"):
        read(tmp_path / "a.csv", f"text,label\n{row}\ndull,bad\n")


def test_quotes_in_a_tsv_file_may_be_mere_signs(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.tsv", 'sentence\tlabel\n"Well" she said\t1\n"Oh\t0\n')
    assert pairs(plain) == [('"Well" she said', "1"), ('"Oh', "0")]
    quoted = read(tmp_path / "b.tsv", 'sentence\tlabel\n"a ""tab""\tinside"\t1\n')
    assert pairs(quoted) == [('a "tab"\tinside', "1")]


def test_two_columns_without_known_names_are_told_by_their_values(tmp_path: Path) -> None:
    rows = reviews(4)
    bare = Table.read(write_csv(tmp_path / "a.csv", rows, None))
    assert pairs(bare) == rows
    assert bare.guessed == "The first line names no columns: every line was taken for text and label."
    holed = Table.read(write_csv(tmp_path / "holed.csv", [*rows, ("so so", "")], None))
    assert holed.skipped == ["line 9 has no label"]
    turned = Table.read(write_csv(tmp_path / "b.csv", [(label, text) for text, label in rows], None))
    assert pairs(turned) == rows
    named = Table.read(write_csv(tmp_path / "c.csv", rows, ("utterance", "mood")))
    assert pairs(named) == rows
    assert named.guessed == "'utterance' was taken for the text, 'mood' for the label."
    half = Table.read(write_csv(tmp_path / "d.csv", rows, ("utterance", "label")))
    assert pairs(half) == rows


def test_columns_that_are_not_to_be_told_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"columns when, what, mood: expected.*text or sentence or review.*label"):
        read(tmp_path / "a.csv", "when,what,mood\n1,it rains,bad\n")
    with pytest.raises(ValueError, match="tell which is the label"):
        read(tmp_path / "b.csv", "it rains,bad\nit shines,good\n")
    with pytest.raises(ValueError, match="has the columns text: expected"):
        read(tmp_path / "c.csv", "text\nit rains\n")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.tsv"])
@pytest.mark.parametrize("content", ["", "\n", "text,label\n"])
def test_a_table_of_nothing_is_said_to_have_no_rows(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ValueError, match="has no rows"):
        read(tmp_path / name, content)


def test_rows_without_text_or_label_are_named(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", 'text,label\n"two\nlines",good\n   ,bad\ndull,\nshort\n')
    assert pairs(table) == [("two\nlines", "good")]
    assert table.skipped == ["line 4 has no text", "line 5 has no label", "line 6 has no label"]


def test_json_lines_with_a_broken_one_and_keys_in_any_order(tmp_path: Path) -> None:
    lines = [
        '{"text": "a\u2028b", "label": "x"}',
        '{"text": "cut',
        "",
        '{"label": "y", "text": "c"}',
        "[1]",
        '{"text": "d"}',
    ]
    table = read(tmp_path / "a.jsonl", "\n".join(lines))
    assert pairs(table) == [("a\u2028b", "x"), ("c", "y")]
    assert [reason.split(" (")[0].split(":")[0] for reason in table.skipped] == [
        "line 2 is not JSON",
        "line 5 is no object",
        "line 6 has no label",
    ]


def test_a_file_of_broken_json_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no rows: line 1 is not JSON"):
        read(tmp_path / "a.jsonl", "text,label\na,b\n")


def test_labels_may_be_whole_numbers_or_truths(tmp_path: Path) -> None:
    values = [3, 3.0, True, False, None, float("nan"), "3"]
    lines = "\n".join(json.dumps({"text": f"t{at}", "label": value}) for at, value in enumerate(values))
    assert [row.label for row in read(tmp_path / "a.jsonl", lines).rows] == ["3", "3", "true", "false", "3"]


def test_several_labels_a_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 1: label is a list, expected one text or number: \['a', 'b'\]"):
        read(tmp_path / "a.jsonl", '{"text": "t", "label": ["a", "b"]}')


def write_parquet(path: Path, **columns: list[object]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_with_numbers_truths_and_categories(tmp_path: Path) -> None:
    texts = ["a", "b", None]
    whole = Table.read(write_parquet(tmp_path / "a.parquet", text=texts, label=[1, 0, 1]))
    assert pairs(whole) == [("a", "1"), ("b", "0")]
    assert whole.skipped == ["row 3 has no text"]
    holes = Table.read(write_parquet(tmp_path / "b.parquet", text=["a", "b", "c"], label=[1.0, None, 10.0]))
    assert [row.label for row in holes.rows] == ["1", "10"]
    truths = Table.read(write_parquet(tmp_path / "c.parquet", text=texts[:2], label=[True, False]))
    assert [row.label for row in truths.rows] == ["true", "false"]
    categories = pyarrow.array(["x", "y"]).dictionary_encode()
    named = Table.read(
        write_parquet(tmp_path / "d.parquet", sentence=texts[:2], category=categories, split=["train", "test"])
    )
    assert named.rows == [Row("a", "x", "train"), Row("b", "y", "test")]


def test_what_is_no_parquet_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.parquet can not be read as Parquet"):
        read(tmp_path / "a.parquet", "text,label\n")


def test_other_files_are_refused_with_what_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no table that can be read: expected one of \.csv"):
        read(tmp_path / "a.xlsx", "PK")
    with pytest.raises(FileNotFoundError, match=r"there is no .*gone\.csv"):
        Table.read(tmp_path / "gone.csv")
