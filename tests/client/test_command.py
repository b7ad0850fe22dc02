"""The command `maxpool`, against the stand-in."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import maxpool_client
import pyarrow.parquet
import pytest
from maxpool_client._command import main
from starlette.responses import JSONResponse

from .conftest import StandIn


@pytest.fixture
def url(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MAXPOOL_URL", stand_in.url)
    return stand_in.url


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, encoded in {"a.png": b"seven", "long.png": b"one", "bad.png": b"bad"}.items():
        Path(name).write_bytes(encoded)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def given(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return given


def test_each_picture_has_an_aligned_line(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "long.png", "--top-k", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{'a.png':24}  seven         0.750  x             0.250",
        f"{'long.png':24}  one           0.750  x             0.250",
    ]


def test_a_refused_input_has_its_line_and_the_status_says_so(
    url: str, pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "bad.png"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == f"{'bad.png':24}  refused (400): not a picture"


def test_json_has_a_line_for_each_input(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "--format", "jsonl", "--model-version", "3", "a.png", "bad.png"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["input"], first["label"], first["score"], first["version"]) == ("a.png", "seven", 0.75, "3")
    assert first["top"][1] == {"label": "x", "index": 1, "score": 0.25}
    assert second == {"input": "bad.png", "error": "not a picture", "code": 400}


def test_a_dash_reads_a_sentence_a_line(
    url: str, stand_in: StandIn, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(b"a joy\n\nno joy.png at all\n")
    assert main(["classify", "textcnn-rt", "first", "-", "--top-k", "2"]) == 0
    # Requests under way together arrive in any order.
    sent = sorted(given for request in stand_in.requests for given in request.inputs)
    assert sent == [b"a joy", b"first", b"no joy.png at all"]
    assert stand_in.requests[0].query == "top_k=2"
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_dash_reads_a_picture_told_by_its_first_bytes(
    url: str, stand_in: StandIn, stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(b"\x89PNG\r\n\x1a\nand so on")
    assert main(["classify", "lenet5-mnist", "-"]) == 0
    assert stand_in.requests[0].inputs == [b"\x89PNG\r\n\x1a\nand so on"]
    assert capsys.readouterr().out.startswith("-  ")


def test_folders_and_patterns_are_opened(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more/deep").mkdir(parents=True)
    Path("more/deep/b.png").write_bytes(b"two")
    assert main(["classify", "lenet5-mnist", "more", "*.png", "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["input"] for row in rows] == ["more/deep/b.png", "a.png", "bad.png", "long.png"]
    assert [row["label"] for row in rows] == ["two", "seven", "", "one"]
    assert (rows[2]["error"], rows[2]["code"]) == ("not a picture", "400")
    assert json.loads(rows[0]["top"])[0] == {"label": "two", "index": 7, "score": 0.75}


def test_a_parquet_file_has_a_row_for_each(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "bad.png", "--format", "parquet", "--out", "found.parquet"]) == 1
    first, second = pyarrow.parquet.read_table("found.parquet").to_pylist()
    assert (first["input"], first["label"], first["score"]) == ("a.png", "seven", 0.75)
    assert first["top"] == [{"label": "seven", "index": 7, "score": 0.75}, {"label": "x", "index": 1, "score": 0.25}]
    assert (second["label"], second["error"], second["code"]) == (None, "not a picture", 400)
    assert capsys.readouterr().out == ""


def test_a_parquet_file_of_many_rows_is_written_in_groups(
    url: str, pictures: None, stdin: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maxpool_client._command.tables.GROUP_ROWS", 4)
    stdin(b"a joy\n" * 10)
    assert main(["classify", "textcnn-rt", "-", "--format", "parquet", "--out", "found.parquet"]) == 0
    file = pyarrow.parquet.ParquetFile("found.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 2]


def test_parquet_without_pyarrow_says_what_to_install(
    url: str, pictures: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["classify", "lenet5-mnist", "a.png", "--format", "parquet", "--out", "found.parquet"]) == 2
    assert "pip install 'maxpool-client[parquet]'" in capsys.readouterr().err


def test_out_names_a_file(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "--format", "jsonl", "--out", "found.jsonl"]) == 0
    assert json.loads(Path("found.jsonl").read_text())["label"] == "seven"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_are_for_terminals_that_want_them(
    url: str, pictures: None, environ: dict[str, str], coloured: bool
) -> None:
    ours, theirs = os.openpty()
    process = run_maxpool(["classify", "lenet5-mnist", "a.png"], {"TERM": "xterm"} | environ, stdout=theirs)
    assert process.wait(30) == 0
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert b"seven" in shown
    assert (b"\x1b[" in shown) is coloured


def test_progress_goes_to_standard_error(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "bad.png", "--progress"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "2 inputs" in captured.err
    assert "1 refused" in captured.err


def test_many_sentences_travel_in_packs(url: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "textcnn-rt", *[f"sentence {n}" for n in range(300)]]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 300
    assert len(stand_in.requests) < 30


def test_a_long_sentence_is_shortened_in_the_table(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "textcnn-rt", "so " * 40]) == 0
    assert capsys.readouterr().out.index("…") == 59


def test_models_are_listed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "lenet5-mnist  1  image-classification  ready\n"
    assert main(["models", "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "lenet5-mnist"


def test_no_models_is_no_lines(url: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.instead.append(JSONResponse({"models": []}))
    assert main(["models"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["classify", "lenet6", "a.png"], "there is no model 'lenet6'"),
        (["classify", "lenet5-mnist", "a.png", "--concurrency", "0"], "concurrency is 0"),
        (["classify", "lenet5-mnist", "a.png", "--format", "parquet"], "name a file for it with --out"),
        (["bench", "lenet5-mnist", "a.png", "--seconds", "0"], "--seconds is 0"),
        (["bench", "lenet5-mnist", "a.png", "--rows", "65"], "at most 64 inputs"),
        (["bench", "lenet5-mnist", "eight.png"], "there is no file eight.png"),
        (["classify", "lenet5-mnist", "a.png", "--top-k", "0"], "top_k is 0"),
        (["models", "--url", "localhost"], "base_url is 'localhost'"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    url: str, pictures: None, slept: list[float], capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    "argv",
    [["models"], ["health"], ["classify", "lenet5-mnist", "a.png", "--patience", "0.01"], ["bench", "m", "a.png"]],
    ids=" ".join,
)
def test_no_service_has_status_3(
    pictures: None, slept: list[float], capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert main([*argv, "--url", "http://127.0.0.1:1"]) == 3
    assert capsys.readouterr().err.startswith("maxpool: could not talk to http://127.0.0.1:1")


def test_what_is_no_picture_is_refused_in_its_row(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "eight.png", "a joy", "none/*.png"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "seven" in lines[0]
    assert "refused: there is no file eight.png" in lines[1]
    assert "refused: the model takes pictures" in lines[2]
    assert "refused: there is no picture in none/*.png" in lines[3]


def test_health_says_whether_it_is_ready(url: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 0
    stand_in.instead.append(JSONResponse({"error": "loading"}, 503))
    assert main(["health"]) == 1
    assert capsys.readouterr().out == "ready\nnot ready: loading\n"


def test_bench_tells_rates_latencies_and_errors(
    url: str, stand_in: StandIn, pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["bench", "lenet5-mnist", "a.png", "long.png", "--connections", "3", "--seconds", "0.2", "--rows", "2"]
    assert main(argv) == 0
    requests, rows, latency, errors = capsys.readouterr().out.splitlines()
    count = len(stand_in.requests)
    assert count > 3
    assert requests.startswith(f"requests    {count:,} in ")
    assert rows.startswith(f"rows        {2 * count:,}: ")
    assert all(name in latency for name in ("p50", "p90", "p99"))
    assert errors == "errors      0"


def test_bench_of_what_is_refused_says_why(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "lenet5-mnist", "bad.png", "--connections", "1", "--seconds", "0.1"]) == 1
    assert "x not a picture" in capsys.readouterr().out
    assert main(["bench", "lenet5-mnist", ".", "--rows", "3", "--connections", "1", "--seconds", "0.1"]) == 1
    assert "x not a picture" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["classify"], ["bench"]], ids=str)
def test_help_shows_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "maxpool classify lenet5-mnist" in capsys.readouterr().out


def test_wrong_usage_has_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "usage: maxpool" in capsys.readouterr().err


def test_a_reader_that_stops_early_is_no_error(url: str) -> None:
    process = run_maxpool(["models"], {}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(30) == 0


def test_a_stream_whose_reader_stops_early_ends(url: str) -> None:
    argv = ["classify", "textcnn-rt", "-"]
    process = run_maxpool(argv, {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(b"a joy\n" * 100_000, timeout=30)[1] == b""
    assert process.returncode == 0


def run_maxpool(argv: list[str], environ: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    code = "import sys; from maxpool_client._command import main; sys.exit(main())"
    path = {"PYTHONPATH": str(Path(maxpool_client.__path__[0]).parent)}
    return subprocess.Popen([sys.executable, "-c", code, *argv], env=os.environ | path | environ, **options)
