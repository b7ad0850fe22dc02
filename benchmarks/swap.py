"""Versions swapped under load: nobody is refused, every answer is wholly of the version that it names, no connection
goes back to an older one, and the memory of those that went is given back.

python -m benchmarks.swap
python -m benchmarks.swap --seconds 600 --rate 200
python -m benchmarks.swap --hoarding            a service that gives no version back, which must fail

The versions are those of benchmarks.mirror, whose scores have their version among them.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import mirror
from benchmarks.gates import Gate, heading, none_of, verdict
from benchmarks.known import binary, floats, parts
from benchmarks.load import post
from benchmarks.servers import MIB, ROOT, Server, faulty, service
from benchmarks.stress import KEY
from benchmarks.wire import Wire

WORKERS = 2
CONNECTIONS = 16
SWAP_SECONDS = 1.0
ROWS = (1, 1, 1, 4)  # of a request
MEASURED = 20  # swaps after that
WARM = 5  # swaps, after which the memory is taken as what it should stay
SHARE = 0.05  # by which it may differ then


@dataclass
class Swapped:
    answered: int = 0
    over: bool = False
    versions: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)  # answers that are not of the version that they name, or wrong
    back: list[str] = field(default_factory=list)  # connections that went to an older version
    failed_loads: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # bytes, PSS of what is in no file, after each swap


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Swap versions under load.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--hoarding", action="store_true", help="a service that keeps every version: must fail")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    print(heading(f"python -m benchmarks.swap --seconds {args.seconds:g} --rate {args.rate:g}"))
    with served(hoarding=args.hoarding) as (server, models):
        swapped = swap(server, models, seconds=args.seconds, rate=args.rate)
    memory = [f"{each / MIB:.1f}" for each in swapped.memory[:: max(1, len(swapped.memory) // 10)]]
    rate = swapped.answered / args.seconds
    print(f"{swapped.answered:,} answers, {rate:.0f} a second, over {len(swapped.memory)} swaps")
    print(f"PSS after some of them, MiB: {' '.join(memory)}")
    return verdict(gates(swapped))


@contextmanager
def served(*, hoarding: bool = False) -> Iterator[tuple[Server, Path]]:
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(ROOT / "models", models)
        mirror.write(models, 1)
        key = Path(folder) / "key"
        key.write_text(KEY)
        settings = {"admin_key_file": str(key), "reload_seconds": "0"}
        with (
            faulty("hoarding", models=models, settings=settings)
            if hoarding
            else service(workers=WORKERS, models=models, settings=settings)
        ) as server:
            yield server, models


def swap(
    server: Server, models: Path, *, seconds: float, rate: float, pause: float = SWAP_SECONDS, swaps: int | None = None
) -> Swapped:
    """`swaps`: after so many the rest of the time is not needed."""
    swapped = Swapped()
    asyncio.run(run(server, models, seconds, rate, pause, swaps, swapped))
    return swapped


def gates(swapped: Swapped) -> list[Gate]:
    kept = swapped.memory[WARM:]
    enough = len(kept) >= MEASURED
    share = float(np.median(kept[MEASURED - 3 : MEASURED]) / np.median(kept[:3])) - 1 if enough else 0.0
    return [
        none_of("answers other than 200", swapped.refused),
        none_of("answers not wholly of the version that they name", swapped.mixed),
        none_of("connections that went back", swapped.back),
        none_of("loads that failed", swapped.failed_loads),
        Gate(
            "versions that answered, of those that were loaded",
            "all",
            f"{len(swapped.versions)} of {len(swapped.memory) + 1}",
            len(swapped.versions) == len(swapped.memory) + 1,
        ),
        Gate(
            f"PSS after {MEASURED} swaps more than the first {WARM}",
            f"within {SHARE:.0%}",
            f"{share:+.1%}" if enough else f"only {len(swapped.memory)} swaps",
            enough and abs(share) <= SHARE,
        ),
    ]


async def run(
    server: Server, models: Path, seconds: float, rate: float, pause: float, swaps: int | None, swapped: Swapped
) -> None:
    end = time.monotonic() + seconds
    callers = [
        asyncio.create_task(call(server.url, number, end, CONNECTIONS / rate, swapped)) for number in range(CONNECTIONS)
    ]
    await change(server, models, end, pause, swaps, swapped)
    swapped.over = True
    await asyncio.gather(*callers)


async def call(url: str, number: int, end: float, pause: float, swapped: Swapped) -> None:
    """At an even pace, on one connection."""
    wire, latest, due = Wire(url), 0, time.monotonic() + pause * number / CONNECTIONS
    while due < end and not swapped.over:
        await asyncio.sleep(due - time.monotonic())
        due = max(due + pause, time.monotonic())
        rows = [bytes([0]) + os.urandom(mirror.BYTES - 1) for _ in range(ROWS[swapped.answered % len(ROWS)])]
        path, body, headers = binary(mirror.NAME, np.stack([mirror.pixels_of(row) for row in rows]))
        try:
            answer = await wire.ask(post(f"{url}{path}", body, headers))
        except (OSError, EOFError, TimeoutError) as error:
            swapped.refused.append(repr(error))
            await wire.close()
            continue
        swapped.answered += 1
        if answer.status != 200:
            swapped.refused.append(f"{answer.status} {answer.body[:200]!r}")
            continue
        named = int(parts(answer)[0]["model_version"])
        told = [mirror.read(scores) for scores in floats(answer)]
        if told != [(row, named) for row in rows]:
            swapped.mixed.append(f"version {named}: {told}")
        if named < latest:
            swapped.back.append(f"from {latest} to {named}")
        latest = named
        swapped.versions.add(named)
    await wire.close()


async def change(server: Server, models: Path, end: float, pause: float, swaps: int | None, swapped: Swapped) -> None:
    """To ever newer versions; of the older ones only the last is left in the folder."""
    head = f"POST /v2/repository/models/{mirror.NAME}/load HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    wire = Wire(server.url)
    for version in itertools.count(2):
        await asyncio.sleep(pause)
        if time.monotonic() > end - pause or len(swapped.memory) == swaps:
            break
        await asyncio.to_thread(mirror.write, models, version)
        if version > 2:
            await asyncio.to_thread(shutil.rmtree, models / mirror.NAME / str(version - 2))
        answer = await wire.ask(f"{head}content-length: 0\r\n\r\n".encode())
        if answer.status != 200:
            swapped.failed_loads.append(f"version {version}: {answer.status} {answer.body[:200]!r}")
        swapped.memory.append(await asyncio.to_thread(server.anonymous))
    await wire.close()


if __name__ == "__main__":
    raise SystemExit(main())
