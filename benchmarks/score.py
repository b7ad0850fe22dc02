"""Bulk scoring against decoding and ONNX Runtime in a tight loop on every core, and its memory over more rows.

python -m benchmarks.score
python -m benchmarks.score --seconds 5 --models lenet5-mnist
"""

import argparse
import io
import itertools
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from benchmarks.ceiling import open_session
from benchmarks.gates import Gate, at_least, at_most, heading, verdict
from benchmarks.servers import ROOT, tree
from service.cpus import cpu_count
from service.engine.rows import read_row, stack
from service.spec import ImageInput, ModelSpec, read_spec

MODELS = ("lenet5-mnist", "textcnn-mr", "resnet20-cifar10")
DISTINCT = 20_000  # rows, repeated
BATCH = 32
SHARE, GROWTH = 0.95, 1.15
WORDS = ("a", "the", "film", "story", "cast", "drama", "ending", "was", "dull", "warm", "clever", "of", "and")


@dataclass(frozen=True)
class Run:
    rows: int
    rate: float  # rows a second from each process's first shard on
    whole: float  # with the start of the processes
    cpu: float  # seconds of all processes
    peak: float  # MiB of the largest process


@dataclass(frozen=True)
class Loop:
    rate: float  # rows a second
    micros: float  # of CPU time a row


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--models", nargs="+", default=MODELS)
    args = parser.parse_args(arguments)
    print(heading("python -m benchmarks.score"))
    with tempfile.TemporaryDirectory() as folder:
        return verdict([gate for name in args.models for gate in compare(name, args.seconds, Path(folder))])


def compare(name: str, seconds: float, folder: Path) -> list[Gate]:
    model, processes = ROOT / "models" / name / "1", cpu_count()
    inputs = made(read_spec(model / "model.json"))
    before = in_all(partial(decode_and_run, model, inputs), processes, seconds)
    alone = in_all(partial(run_alone, model, inputs), processes, seconds)
    sources = [write(folder / f"{name}-{part}.parquet", inputs, int(before.rate * seconds * part)) for part in (1, 4)]
    few, many = (score(model, source, folder / f"{source.stem}-out") for source in sources)
    after = in_all(partial(decode_and_run, model, inputs), processes, seconds)
    rate, micros = (before.rate + after.rate) / 2, (before.micros + after.micros) / 2
    print(
        f"{name}: {many.rate:,.0f} rows/s ({many.whole:,.0f} with the start), decode and run in a loop {rate:,.0f}, "
        f"run alone {alone.rate:,.0f}; a process has {few.peak:.0f} MiB at most, {many.peak:.0f} over four times"
    )
    if many.rows > few.rows:  # what both spend on their start falls out
        each = (many.cpu - few.cpu) / (many.rows - few.rows) * 1e6
        print(f"{name}: µs of CPU a row: {each:,.0f}, in a loop {micros:,.0f}, which is {micros / each:.2f} of it")
    return [
        at_least(f"{name}: rows a second over the loop's", many.rate / rate, SHARE),
        at_most(f"{name}: memory over four times the rows", many.peak / few.peak, GROWTH, "times"),
    ]


def made(spec: ModelSpec) -> list[bytes | str]:
    """PNGs of smooth shapes in noise, or sentences of 3 to 40 words."""
    chance = random.Random(0)
    if not isinstance(spec.input, ImageInput):
        return [" ".join(chance.choices(WORDS, k=chance.randint(3, 40))) for _ in range(DISTINCT)]
    numbers = np.random.default_rng(0)
    found: list[bytes | str] = []
    for _ in range(DISTINCT):
        coarse = numbers.integers(0, 256, (5, 5, spec.input.channels), np.uint8).squeeze()
        size = (28, 28) if spec.input.channels == 1 else (32, 32)
        file = io.BytesIO()
        Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(file, "PNG")
        found.append(file.getvalue())
    return found


def write(path: Path, inputs: list[bytes | str], rows: int) -> Path:
    kind = pyarrow.string() if isinstance(inputs[0], str) else pyarrow.binary()
    column, groups = pyarrow.table({"content": pyarrow.array(inputs, kind)}), max(1, round(rows / DISTINCT))
    with pyarrow.parquet.ParquetWriter(path, column.schema) as file:
        for _ in range(groups):
            file.write_table(column)
    return path


def decode_and_run(model: Path, inputs: list[bytes | str], seconds: float) -> Loop:
    """Of one process that does nothing else."""
    session, given = open_session(model / "model.onnx"), read_spec(model / "model.json").input
    name = session.get_inputs()[0].name

    def batch(at: int) -> None:
        session.run(None, {name: stack([read_row(each, given).row for each in inputs[at : at + BATCH]])})

    return looped(batch, len(inputs), seconds)


def run_alone(model: Path, inputs: list[bytes | str], seconds: float) -> Loop:
    session, given = open_session(model / "model.onnx"), read_spec(model / "model.json").input
    name = session.get_inputs()[0].name
    batches = [stack([read_row(each, given).row for each in inputs[at : at + BATCH]]) for at in range(0, 2048, BATCH)]
    return looped(lambda at: session.run(None, {name: batches[at // BATCH]}), 2048, seconds)


def looped(batch: Callable[[int], Any], rows: int, seconds: float) -> Loop:
    starts = itertools.cycle(range(0, rows - BATCH + 1, BATCH))
    for _ in range(10):
        batch(next(starts))
    begin, spent, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < begin + seconds:
        batch(next(starts))
        done += BATCH
    return Loop(done / (time.perf_counter() - begin), (time.process_time() - spent) / done * 1e6)


def in_all(loop: Callable[[float], Loop], processes: int, seconds: float) -> Loop:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        loops = pool.map(loop, [seconds] * processes, chunksize=1)
    return Loop(sum(each.rate for each in loops), sum(each.micros for each in loops) / processes)


def score(model: Path, source: Path, out: Path) -> Run:
    command = [sys.executable, "-m", "scripts.score", str(model), str(source), "--out", str(out)]
    # shards small enough that the last one, which a process scores while others have no more, does not count
    command += ["--batch-rows", str(BATCH), "--shard-rows", "512"]
    begin, spent, used = time.time(), of_children(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:  # rusage would have this program's own memory in it, from before the exec
            used = max(used, *map(peak, tree(process.pid)))
            time.sleep(0.5)  # a look at all processes takes some ms of a core that the run would have
    end = time.time()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    shards = sorted((out / "scores").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    rows = [pyarrow.parquet.read_metadata(path).num_rows for path in shards]
    processes = cpu_count()
    first, last = (shards[at].stat().st_mtime for at in (processes - 1, -1))
    return Run(
        rows=sum(rows),
        rate=sum(rows[processes:]) / (last - first),
        whole=sum(rows) / (end - begin),
        cpu=of_children() - spent,
        peak=used / 1024,
    )


def of_children() -> float:
    """Seconds of CPU time, of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak(pid: int) -> int:
    """KiB, 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    raise SystemExit(main())
