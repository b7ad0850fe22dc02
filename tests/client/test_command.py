"""The command `maxpool`, against the stand-in."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import maxpool_client
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


def test_each_picture_has_an_aligned_line(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "long.png"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a.png     seven  0.750  x      0.250",
        "long.png  one    0.750  x      0.250",
    ]


def test_a_refused_input_has_its_line_and_the_status_says_so(
    url: str, pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "lenet5-mnist", "a.png", "bad.png"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == "bad.png  refused (400): not a picture"


def test_json_has_a_line_for_each_input(url: str, pictures: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "lenet5-mnist", "--json", "--version", "3", "a.png", "bad.png"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["input"], first["label"], first["score"], first["version"]) == ("a.png", "seven", 0.75, "3")
    assert first["top"][1] == {"label": "x", "index": 1, "score": 0.25}
    assert second == {"input": "bad.png", "error": "not a picture", "code": 400}


def test_a_dash_reads_a_sentence_a_line(
    url: str, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a joy\n\nno joy.png at all\n"))
    assert main(["classify", "textcnn-rt", "first", "-", "--top-k", "2"]) == 0
    assert stand_in.requests[0].inputs == [b"first", b"a joy", b"no joy.png at all"]
    assert stand_in.requests[0].query == "top_k=2"
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_many_sentences_are_printed_a_request_at_a_time(
    url: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "textcnn-rt", *[f"sentence {n}" for n in range(70)]]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 70
    assert len(stand_in.requests) == 2


def test_a_long_sentence_is_shortened_in_the_table(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "textcnn-rt", "so " * 40]) == 0
    assert capsys.readouterr().out.index("…") == 59


def test_models_are_listed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "lenet5-mnist  1  image-classification  ready\n"
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "lenet5-mnist"


def test_no_models_is_no_lines(url: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.instead.append(JSONResponse({"models": []}))
    assert main(["models"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["classify", "lenet5-mnist", "eight.png"], "maxpool: there is no file eight.png\n"),
        (["classify", "lenet5-mnist", "a.png", "a joy"], "both pictures and sentences"),
        (["classify", "lenet5-mnist", "a.png", "--top-k", "0"], "top_k is 0"),
        (["models", "--url", "localhost"], "base_url is 'localhost'"),
        (["models", "--url", "http://127.0.0.1:1"], "maxpool: could not talk to http://127.0.0.1:1"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    url: str, pictures: None, slept: list[float], capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_wrong_usage_has_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "usage: maxpool" in capsys.readouterr().err


def test_a_reader_that_stops_early_is_no_error(url: str) -> None:
    code = "import sys; from maxpool_client._command import main; sys.exit(main())"
    environ = os.environ | {"PYTHONPATH": str(Path(maxpool_client.__path__[0]).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "models"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(30) == 0
