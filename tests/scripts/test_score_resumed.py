"""Runs that are killed, stopped, or find the disk full: the same command goes on, nothing is lost, nothing doubled."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from scripts.scoring.run import held_alone
from scripts.scoring.shards import Held, Shard, Slice, cut
from tests.conftest import ROOT, children, eventually
from tests.scripts.scored import (
    command,
    errors,
    labels,
    length,
    pictures,
    rows,
    run,
    score,
    sentences,
    state,
    summary,
    write_parquet,
)

SHARD = {"shard_rows": 200, "batch_rows": 1}
ROWS = 24_000  # some seconds of work, which a test stops after the first shards


@pytest.fixture(scope="module")
def words(tiny_models: Path) -> Path:
    return tiny_models / "length" / "1"


@pytest.fixture(scope="module")
def given() -> list[str]:
    found = sentences(ROWS)
    found[::1000] = ["x" * 3000] * len(found[::1000])
    return found


@pytest.fixture(scope="module")
def source(given: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parquet(tmp_path_factory.mktemp("source") / "many.parquet", {"text": given}, row_group_size=5000)


def check_whole(out: Path, given: list[str]) -> None:
    """Every row once: its label, or what is wrong with it."""
    found = labels(out)
    assert found == {f"many.parquet:{at + 1}": length(text) for at, text in enumerate(given) if len(text) < 3000}
    wrong = [each["id"] for each in errors(out)]
    assert wrong == [f"many.parquet:{at + 1}" for at, text in enumerate(given) if len(text) == 3000]
    assert summary(out)["rows"] == len(given)
    assert not [path for path in out.rglob("*") if "unfinished" in path.name]


@contextmanager
def running(*arguments: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    begun = subprocess.Popen(
        command(*arguments, **options),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what it puts into the background with SIGINT ignored, these tests and so their children, too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    with begun as process:
        try:
            yield process
        finally:
            process.kill()


def shards(out: Path) -> int:
    return sum(path.name.startswith("part-") for path in out.glob("scores/*"))


def scorers(pid: int) -> set[int]:
    """The processes of a run that score, which came by spawn_main."""
    found = set()
    for child in children(pid):
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(child)
        except OSError:
            continue
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_killed_again_and_again_is_the_run_that_was_not(
    words: Path, source: Path, given: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        before = shards(out)
        with running(words, source, out=out, processes=2, **SHARD) as process:
            eventually(lambda before=before: shards(out) > before + 2)
            workers = scorers(process.pid)
            process.kill()
        eventually(lambda workers=workers: not any(map(is_alive, workers)))
        kept = state(out)
        assert before < len(kept) < ROWS / 200
        assert not (out / "summary.json").exists()
    (out / "scores" / ".part-000099.parquet.1.unfinished").write_bytes(b"half")
    assert run(words, source, out=out, processes=2, **SHARD).returncode == 1
    check_whole(out, given)
    now = state(out)
    assert {name: now[name] for name in kept if name.startswith("part-")} == {
        name: value for name, value in kept.items() if name.startswith("part-")
    }
    assert score(words, source, out=tmp_path / "at once", **SHARD) == 1
    assert rows(tmp_path / "at once") == rows(out)
    assert errors(tmp_path / "at once") == errors(out)


def test_a_killed_worker_ends_the_run_with_what_to_do(
    words: Path, source: Path, given: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with running(words, source, out=out, processes=2, **SHARD) as process:
        eventually(lambda: shards(out) > 1 and len(scorers(process.pid)) == 2)
        workers = scorers(process.pid)
        os.kill(max(workers), signal.SIGKILL)
        _, told = process.communicate(timeout=120)
        assert process.returncode == 2
    assert "a process was killed" in told
    assert "the same command goes on" in told
    assert not any(map(is_alive, workers))
    assert score(words, source, out=out, **SHARD) == 1
    check_whole(out, given)


def test_a_run_that_is_interrupted_says_how_it_goes_on(words: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(words, source, out=out, processes=2, **SHARD) as process:
        eventually(lambda: shards(out) > 1 and len(scorers(process.pid)) == 2)
        workers = scorers(process.pid)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "goes on" in told
    assert "Traceback" not in told
    assert not any(map(is_alive, workers))


def test_no_second_run_writes_to_the_same_folder(words: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held_alone(out):
        told = run(words, source, out=out, processes=1)
    assert told.returncode == 2
    assert "another run writes" in told.stderr
    assert shards(out) == 0


def test_a_run_goes_on_only_as_it_was_begun(
    words: Path, tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_parquet(tmp_path / "a.parquet", {"text": sentences(20), "other": sentences(20)})
    out = tmp_path / "out"
    assert score(words, source, out=out) == 0
    kept = state(out)
    for options, told in (
        ({"top_k": 2}, "--top-k was 1, is 2"),
        ({"format": "csv"}, "--format was parquet, is csv"),
        ({"column": "other"}, "--column was not given, is other"),
        ({"limit_rows": 5}, "--limit-rows was not given, is 5"),
        ({"shard_rows": 5}, "--shard-rows"),
    ):
        assert score(words, source, out=out, **options) == 2
        assert told in capsys.readouterr().err
    assert score(words, source, out=out) == 0  # as it was begun, and done with
    write_parquet(source, {"text": sentences(21)})
    assert score(words, source, out=out) == 2
    assert "input was" in capsys.readouterr().err
    assert state(out) == kept
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    assert score(words, source, out=tmp_path / "full") == 2
    assert "thesis.tex" in capsys.readouterr().err


def test_another_picture_in_the_folder_is_another_input(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scans").mkdir()
    for name, content in pictures(5).items():
        (tmp_path / "scans" / name).write_bytes(content)
    colour = tiny_models / "colour" / "1"
    assert score(colour, tmp_path / "scans", out=tmp_path / "out") == 0
    (tmp_path / "scans" / "red-000.png").write_bytes(pictures(9)["lime-007.png"])
    assert score(colour, tmp_path / "scans", out=tmp_path / "out") == 2
    assert "input was" in capsys.readouterr().err


def test_a_file_that_may_grow_no_further_stops_the_run_with_nothing_half_written(words: Path, tmp_path: Path) -> None:
    """The limit is the process's: as on a full disk, a write is cut short."""
    given = sentences(3000)
    source = write_parquet(tmp_path / "many.parquet", {"text": given})
    out = tmp_path / "out"
    options = {"processes": 1, "batch_rows": 8, "shard_rows": 1500, "format": "csv"}  # some 60 kB a shard
    limited = ["bash", "-c", 'ulimit -f 16; exec "$@"', "score", *command(words, source, out=out, **options)]
    told = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 2
    assert "can not be written (File too large): make room" in told.stderr
    assert not list((out / "scores").iterdir())
    assert score(words, source, out=out, **options) == 0
    assert labels(out) == {f"many.parquet:{at + 1}": length(text) for at, text in enumerate(given)}


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(words: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.strip()}")
    try:
        given = sentences(6000)
        source = write_parquet(tmp_path / "many.parquet", {"text": given})
        options = {"processes": 2, "batch_rows": 8, "shard_rows": 1000, "format": "csv"}
        told = run(words, source, out=disk, **options)
        assert told.returncode == 2
        assert "No space left on device" in told.stderr
        assert "make room" in told.stderr
        assert not [path.name for path in disk.rglob("*") if "unfinished" in path.name]
        kept = state(disk)
        assert 0 < len(kept) < 6
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        assert score(words, source, out=disk, **{**options, "processes": 1}) == 0
        assert labels(disk) == {f"many.parquet:{at + 1}": length(text) for at, text in enumerate(given)}
        assert kept.items() <= state(disk).items()
    finally:
        subprocess.run(["umount", disk], check=True)


def held(rows: int, size: int = 1) -> Held:
    ids = [f"row {at}" for at in range(rows)]
    return Held("x", "row", range(1, rows + 1), ids, [None] * rows, size * rows, rows)


def test_shards_end_by_rows_or_bytes_and_hold_every_row_once() -> None:
    def sizes(found: Iterator[Shard]) -> list[int]:
        return [shard.rows for shard in found]

    blocks = [held(30) for _ in range(10)]
    assert sizes(cut(blocks, shard_rows=100, limit_rows=None)) == [120, 120, 60]
    assert sizes(cut(blocks, shard_rows=100, limit_rows=130)) == [120, 10]
    assert sizes(cut([held(30, 1 << 20) for _ in range(4)], shard_rows=1000, limit_rows=None)) == [90, 30]
    group = Slice(Path("x"), "x", "text", None, 0, 0, 8, 0, 8, 8, 8)
    assert sizes(cut([group, group], shard_rows=100, limit_rows=11)) == [11]
    assert [shard.number for shard in cut(blocks, shard_rows=30, limit_rows=None)] == list(range(10))
    assert sizes(cut([], shard_rows=1, limit_rows=None)) == []
