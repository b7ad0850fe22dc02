"""The Python client's stream of pictures against wrk's single-picture requests, on one server in one run.

python -m benchmarks.sdk
python -m benchmarks.sdk --quick

The pictures are files, as users have them. wrk, the client (one process) and the service share the CPUs, so each ratio
is of slices taken one after another.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from maxpool_client import AsyncClient, Client, Prediction

from benchmarks.bodies import Workload, digits
from benchmarks.load import drive, generator
from benchmarks.servers import service
from benchmarks.targets import WORKERS

CONNECTIONS = 64
FILES = 2000


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the Python client against wrk.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    seconds, slices = (1.0, 1) if args.quick else (4.0, 5)
    workload = digits()
    with service(workers=WORKERS) as server, TemporaryDirectory() as folder:
        files = write_files(workload, Path(folder))
        rates = measure(server.url, workload, files, seconds=seconds, slices=slices)
    print("\n".join(table(workload, rates)))
    return 0


def write_files(workload: Workload, folder: Path) -> list[Path]:
    files = [folder / f"{number}.png" for number in range(FILES)]
    for path, body in zip(files, itertools.cycle(workload.bodies), strict=False):
        path.write_bytes(body)
    return files


def measure(
    url: str, workload: Workload, files: list[Path], *, seconds: float, slices: int
) -> dict[str, list[tuple[float, float]]]:
    """Of each way in turn: pictures a second, and the client's CPU microseconds a picture (0 for wrk)."""
    rates: dict[str, list[tuple[float, float]]] = {}
    for _ in range(slices):
        load = drive(url + workload.path, workload.bodies, workload.headers, connections=CONNECTIONS, seconds=seconds)
        rates.setdefault(generator(), []).append((load.rate, 0.0))
        model = workload.model.parent.name
        rates.setdefault("Client.classify_many", []).append(by_client(url, model, files, seconds))
        rates.setdefault("AsyncClient.classify_many", []).append(
            asyncio.run(by_async_client(url, model, files, seconds))
        )
    return rates


def until(end: float, files: list[Path]) -> Iterator[Path]:
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.cycle(files))


def by_client(url: str, model: str, files: list[Path], seconds: float) -> tuple[float, float]:
    start, cpu, count = time.monotonic(), time.process_time(), 0
    with Client(url) as client:
        for path, answer in client.classify_many(model, until(start + seconds, files)):
            assert isinstance(answer, Prediction), f"{path}: {answer}"
            count += 1
    return count / (time.monotonic() - start), (time.process_time() - cpu) / count * 1e6


async def by_async_client(url: str, model: str, files: list[Path], seconds: float) -> tuple[float, float]:
    async def given() -> AsyncIterator[Path]:
        for path in until(start + seconds, files):
            yield path

    start, cpu, count = time.monotonic(), time.process_time(), 0
    async with AsyncClient(url) as client:
        async for path, answer in client.classify_many(model, given()):
            assert isinstance(answer, Prediction), f"{path}: {answer}"
            count += 1
    return count / (time.monotonic() - start), (time.process_time() - cpu) / count * 1e6


def table(workload: Workload, rates: dict[str, list[tuple[float, float]]]) -> list[str]:
    baseline = [rate for rate, _ in next(iter(rates.values()))]
    lines = [f"| {workload.title} | pictures/s | over wrk | client CPU µs a picture |", "| --- | --- | --- | --- |"]
    for way, found in rates.items():
        over = median(rate / base for (rate, _), base in zip(found, baseline, strict=True))
        cpu = median(cpu for _, cpu in found)
        lines.append(
            f"| {way} | {median(rate for rate, _ in found):,.0f} | {over:.2f} | {f'{cpu:.0f}' if cpu else '–'} |"
        )
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
