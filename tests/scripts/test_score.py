"""What goes in and what comes out, in one process; test_score_resumed.py has runs that are stopped."""

import gzip
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pyarrow
import pytest

from scripts.score import parse_args
from tests.conftest import ROOT
from tests.scripts.scored import (
    errors,
    hue,
    labels,
    length,
    pictures,
    rows,
    run,
    score,
    sentences,
    summary,
    write_parquet,
)


@pytest.fixture(scope="session")
def colour(tiny_models: Path) -> Path:
    return tiny_models / "colour" / "1"


@pytest.fixture(scope="session")
def words(tiny_models: Path) -> Path:
    return tiny_models / "length" / "1"


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, files: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_lines(path: Path, column: str, values: list[str]) -> Path:
    path.write_text("".join(json.dumps({"n": f"row {at}", column: value}) + "\n" for at, value in enumerate(values)))
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz"])
def test_pictures_in_folders_and_archives_are_named_by_their_path(colour: Path, tmp_path: Path, kind: str) -> None:
    given = {f"{at % 2}/{name}": content for at, (name, content) in enumerate(pictures(30).items())}
    files = {**given, "notes.txt": b"no picture", ".hidden/red-900.png": b""}
    if kind == "folder":
        source = write_folder(tmp_path / "scans", files)
    else:
        source = write_tar(tmp_path / f"scans.{kind}", files, "w:gz" if kind == "tar.gz" else "w")
    assert score(colour, source, out=tmp_path / "out") == 0
    assert labels(tmp_path / "out") == {name: hue(name) for name in given}
    assert summary(tmp_path / "out") == {"rows": 30, "scored": 30, "errors": 0, "reasons": {}, "shards": 1}


@pytest.mark.parametrize("column", ["bytes", "hugging face", "paths"])
def test_pictures_in_parquet(colour: Path, tmp_path: Path, column: str) -> None:
    given = pictures(30)
    if column == "paths":
        write_folder(tmp_path / "scans", given)
        values = pyarrow.array([f"scans/{name}" for name in given])
    elif column == "bytes":
        values = pyarrow.array(list(given.values()), pyarrow.large_binary())
    else:
        values = pyarrow.array([{"bytes": content, "path": "x"} for content in given.values()])
    source = write_parquet(tmp_path / "scans.parquet", {"name": list(given), "image": values}, row_group_size=13)
    assert score(colour, source, out=tmp_path / "out", id="name", shard_rows=7) == 0
    assert labels(tmp_path / "out") == {name: hue(name) for name in given}
    assert summary(tmp_path / "out")["shards"] > 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_pictures_named_in_a_table_lie_beside_it(colour: Path, tmp_path: Path, suffix: str) -> None:
    given = list(pictures(9))
    write_folder(tmp_path / "scans", pictures(9))
    path = tmp_path / f"list.{suffix}"
    if suffix == "csv":
        path.write_text("path\n" + "".join(f"scans/{name}\n" for name in given))
    else:
        write_lines(path, "file_name", [f"scans/{name}" for name in given])
    assert score(colour, path, out=tmp_path / "out") == 0
    assert list(labels(tmp_path / "out").values()) == [hue(name) for name in given]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_sentences_have_the_ids_of_their_column_or_their_place(words: Path, tmp_path: Path, suffix: str) -> None:
    given = [*sentences(40), 'with "quotes", and so on', "two\nlines here, no less"]
    source = tmp_path / f"reviews.{suffix}"
    if suffix == "parquet":
        write_parquet(source, {"n": [f"row {at}" for at in range(len(given))], "review": given})
    elif suffix == "jsonl":
        write_lines(source, "review", given)
    else:
        mark = "," if suffix == "csv" else "\t"
        quoted = ['"' + sentence.replace('"', '""') + '"' for sentence in given]
        lines = [f"row {at}{mark}{sentence}" for at, sentence in enumerate(quoted)]
        source.write_text("\n".join([f"n{mark}review", *lines]))
    assert score(words, source, out=tmp_path / "out", id="n") == 0
    assert labels(tmp_path / "out") == {f"row {at}": length(sentence) for at, sentence in enumerate(given)}
    assert score(words, source, out=tmp_path / "placed", limit_rows=10) == 0
    first = 2 if suffix in ("csv", "tsv") else 1
    assert labels(tmp_path / "placed") == {f"{source.name}:{first + at}": length(given[at]) for at in range(10)}


def test_several_files_and_folders_of_files_are_one_input(words: Path, tmp_path: Path) -> None:
    given = sentences(30)
    for at in range(3):
        write_parquet(tmp_path / "parts" / f"{at}.parquet", {"text": given[10 * at : 10 * at + 10]})
    more = write_lines(tmp_path / "more.jsonl", "text", given[:5])
    assert score(words, tmp_path / "parts", more, out=tmp_path / "out", shard_rows=4) == 0
    found = labels(tmp_path / "out")
    assert len(found) == 35
    assert found["2.parquet:10"] == length(given[29])
    assert found["more.jsonl:1"] == length(given[0])


def test_files_of_one_name_are_told_apart(words: Path, tmp_path: Path) -> None:
    paths = [write_parquet(tmp_path / part / "x.parquet", {"text": ["a b"]}) for part in ("a", "b")]
    assert score(words, *paths, out=tmp_path / "out") == 0
    assert set(labels(tmp_path / "out")) == {f"{path}:1" for path in paths}


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_every_format_has_the_best_labels_in_order(colour: Path, tmp_path: Path, format: str) -> None:
    source = write_folder(tmp_path / "scans", pictures(6))
    assert score(colour, source, out=tmp_path / "one", format=format) == 0
    assert all(row.keys() == {"id", "label", "score"} for row in rows(tmp_path / "one"))
    assert score(colour, source, out=tmp_path / "two", format=format, top_k=9) == 0
    for one, two in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert len(two["labels"]) == 3  # the model has no more
        assert two["labels"][0] == two["label"] == one["label"]
        assert two["scores"] == sorted(two["scores"], reverse=True)
        assert two["scores"][0] == two["score"] == one["score"]
        assert sum(two["scores"]) == pytest.approx(1, abs=1e-6)


def test_bad_rows_are_told_and_cost_no_other(words: Path, tmp_path: Path) -> None:
    good = sentences(20)
    path = tmp_path / "reviews.csv"
    lines = [b"text,n", *(sentence.encode() + b",x" for sentence in good)]
    lines[3:3] = [b"   ,x", b"x" * 2001 + b",x", b"caf\xe9 au lait,x", b"one,two,three", b'"quoted" badly,x']
    path.write_bytes(b"\n".join(lines))
    assert score(words, path, out=tmp_path / "out", shard_rows=5) == 1
    assert list(labels(tmp_path / "out").values()) == [length(sentence) for sentence in good]
    found = {each["id"]: each for each in errors(tmp_path / "out")}
    assert list(found) == [f"reviews.csv:{line}" for line in (4, 5, 6, 7, 8)]
    assert found["reviews.csv:5"] == {
        "id": "reviews.csv:5",
        "position": "reviews.csv line 5",
        "error": "the sentence has 2,001 characters: this model takes at most 2,000",
        "reason": "InputTooLarge",
    }
    for line, told in ((4, "empty"), (6, "not UTF-8 (byte 3)"), (7, "3 fields"), (8, "no CSV")):
        assert told in found[f"reviews.csv:{line}"]["error"]
    assert summary(tmp_path / "out")["reasons"] == {"InvalidInput": 4, "InputTooLarge": 1}


def test_bad_json_lines_are_told(words: Path, tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text('{"text": "a b"}\n{"text": \n\n[1]\n{"text": null}\n{"text": 4}\n{"other": "x"}\n{"text": "c d"}')
    assert score(words, path, out=tmp_path / "out") == 1
    assert set(labels(tmp_path / "out")) == {"reviews.jsonl:1", "reviews.jsonl:8"}
    assert [each["position"] for each in errors(tmp_path / "out")] == [
        f"reviews.jsonl line {line}" for line in (2, 4, 5, 6, 7)
    ]


def test_broken_pictures_and_files_that_are_gone_are_told(colour: Path, tmp_path: Path) -> None:
    given = pictures(5)
    write_folder(tmp_path, {**given, "bad.png": given["red-000.png"][:50], "empty.png": b""})
    names = [*given, "bad.png", "empty.png", "gone.png"]
    source = write_parquet(tmp_path / "list.parquet", {"path": [*names, None]})
    assert score(colour, source, out=tmp_path / "out") == 1
    assert list(labels(tmp_path / "out").values()) == [hue(name) for name in given]
    told = [each["error"] for each in errors(tmp_path / "out")]
    assert [word in line for word, line in zip(("broken", "empty", "No such file", "null"), told, strict=True)] == (
        [True] * 4
    ), told


def test_a_corrupt_row_group_is_lost_alone(words: Path, tmp_path: Path) -> None:
    given = sentences(90)
    path = write_parquet(
        tmp_path / "reviews.parquet", {"text": given}, row_group_size=30, compression="zstd", use_dictionary=False
    )
    chunk = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    middle = chunk.data_page_offset + chunk.total_compressed_size // 2
    content[middle : middle + 20] = b"\xff" * 20
    path.write_bytes(content)
    assert score(words, path, out=tmp_path / "out", shard_rows=10) == 1
    expected = {f"reviews.parquet:{at + 1}": length(given[at]) for at in (*range(30), *range(60, 90))}
    assert labels(tmp_path / "out") == expected
    assert all("row group 1" in each["error"] and str(path) in each["error"] for each in errors(tmp_path / "out"))
    assert sum(each["rows"] for each in errors(tmp_path / "out")) == 30
    assert summary(tmp_path / "out") == {
        "rows": 90,
        "scored": 60,
        "errors": 30,
        "reasons": {"RowsLost": 30},
        "shards": 9,
    }


def test_a_cut_archive_gives_what_is_whole_and_says_so(colour: Path, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "scans.tar", pictures(10), "w")
    path.write_bytes(path.read_bytes()[: 5 * 1024 + 520])  # a header and a block each
    assert score(colour, path, out=tmp_path / "out") == 1
    assert list(labels(tmp_path / "out")) == list(pictures(5))
    (told,) = errors(tmp_path / "out")
    assert told["reason"] == "RowsLost"
    assert "broken after lime-004.png" in told["error"]


def refusal(capsys: pytest.CaptureFixture[str], status: int) -> str:
    assert status == 2
    return capsys.readouterr().err


def test_a_missing_column_is_refused_with_those_there_are(
    words: Path, colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_parquet(tmp_path / "a.parquet", {"alpha": ["x"], "beta": [1]})
    lines = write_lines(tmp_path / "b.jsonl", "alpha", ["x"])
    for source, column in ((table, "gamma"), (table, None), (lines, "gamma")):
        given = {} if column is None else {"column": column}
        said = refusal(capsys, score(words, source, out=tmp_path / "out", **given))
        assert "alpha" in said
        assert "--column" in said or "gamma" in said
    assert "int64" in refusal(capsys, score(words, table, out=tmp_path / "out", column="beta"))
    assert "no column 'gamma'" in refusal(capsys, score(words, table, out=tmp_path / "o", column="alpha", id="gamma"))
    assert not (tmp_path / "out" / "run.json").exists()


def test_what_is_nothing_to_score_is_refused(
    words: Path, colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    (tmp_path / "x.zip").write_bytes(b"PK")
    for name, told in (
        ("gone", "there is no"),
        ("empty", "no pictures and no tables"),
        ("empty.csv", "names no columns"),
        ("broken.parquet", "can not be read as Parquet"),
        ("x.zip", "nothing that can be scored"),
    ):
        assert told in refusal(capsys, score(colour, tmp_path / name, out=tmp_path / "out"))
    spoiled = write_folder(tmp_path / "spoiled", pictures(1))
    assert "model.json is missing" in refusal(capsys, score(tmp_path / "empty", spoiled, out=tmp_path / "out"))


def test_a_table_without_rows_has_an_empty_answer(words: Path, tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "none.parquet", {"text": pyarrow.array([], pyarrow.string())})
    assert score(words, source, out=tmp_path / "out") == 0
    found = pyarrow.parquet.read_table(tmp_path / "out" / "scores")
    assert (found.num_rows, found.column_names) == (0, ["id", "label", "score"])
    assert score(words, source, out=tmp_path / "out") == 0


def test_a_file_that_may_not_be_read_is_refused_at_the_start(words: Path, tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "secret.parquet", {"text": ["a"]})
    source.chmod(0)
    if os.geteuid() == 0:
        drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # root without root's rights
        if subprocess.run([*drop, "cat", source], capture_output=True).returncode == 0:
            pytest.skip("nobody here is denied a file")
    else:
        drop = []
    from tests.scripts.scored import command

    told = subprocess.run(
        [*drop, *command(words, source, out=tmp_path / "out")], cwd=ROOT, capture_output=True, text=True
    )
    assert told.returncode == 2
    assert str(source) in told.stderr
    assert "Permission denied" in told.stderr


def test_a_compressed_table_is_named_as_nothing_to_score(
    words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"text\na"))
    assert "nothing that can be scored" in refusal(capsys, score(words, tmp_path / "x.csv.gz", out=tmp_path / "out"))


def test_without_a_terminal_there_are_lines_of_progress(words: Path, tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "a.parquet", {"text": sentences(50)})
    told = run(words, source, out=tmp_path / "out", processes=1)
    assert told.returncode == 0
    assert "50/50" in told.stderr.splitlines()[-1]
    assert "rows/s" in told.stderr.splitlines()[-1]
    assert "\r" not in told.stderr
    assert told.stdout.startswith("50 of 50 rows scored, 0 errors")


@pytest.mark.parametrize("wrong", [["--top-k", "0"], ["--format", "xml"], ["--processes", "x"]])
def test_options_are_checked(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args(["models/lenet5-mnist/1", "x", "--out", "y", *wrong])
    assert wrong[0] in capsys.readouterr().err
