"""Clients of every kind at once, while versions are swapped: nothing unexpected happens, and at the end the service has
counted to the unit what its clients have seen.

python -m benchmarks.stress
python -m benchmarks.stress --seconds 3600
python -m benchmarks.stress --lose 1            the tally lacks a request, which must fail
"""

import argparse
import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.counters import at_rest
from benchmarks.gates import Gate, heading, none_of, verdict
from benchmarks.mix import mix
from benchmarks.scenarios import WEIGHTS, Client, clients, opened, play
from benchmarks.servers import ROOT, Server, service, tree
from benchmarks.tally import Tally, accounts, differences
from benchmarks.wire import Wire

WORKERS = 2
CALLERS = 24
SWAPPED = "lenet5-mnist"  # its versions come and go
SWAP_SECONDS = 3.0
KEY = "the key of a benchmark alone"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Clients of every kind at once, and every request accounted for.")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--lose", type=int, default=0, help="requests that the tally forgets: must fail")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    print(heading(f"python -m benchmarks.stress --seconds {args.seconds:g}"))
    with stressed_service() as (server, models):
        gates, tally = stress(server, models, args.seconds, lose=args.lose)
    print(f"{tally.sent:,} requests; scenarios {dict(tally.ran)}")
    return verdict(gates)


@contextmanager
def stressed_service() -> Iterator[tuple[Server, Path]]:
    """With the committed models in a folder of its own, and an administrator."""
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(ROOT / "models", models)
        key = Path(folder) / "key"
        key.write_text(KEY)
        settings = {"admin_key_file": str(key), "reload_seconds": "0"}
        with service(workers=WORKERS, models=models, settings=settings) as server:
            yield server, models


def stress(server: Server, models: Path, seconds: float, *, lose: int = 0) -> tuple[list[Gate], Tally]:
    tally = Tally()
    started = tree(server.pid)
    asyncio.run(run(server, models, tally, seconds))
    counted = at_rest(server.url)
    tally.answered[200] -= lose
    for what, sent, count in accounts(tally, counted):
        print(f"{what}: clients {sent:,}, service {count:,}")
    gone = started - tree(server.pid)
    return [
        none_of("unexpected outcomes", tally.unexpected),
        none_of("requests under way at the end", [f"{counted.under_way:,}"] if counted.under_way else []),
        none_of("differences between clients and service", differences(tally, counted)),
        none_of("processes that died", [str(pid) for pid in gone]),
    ], tally


async def run(server: Server, models: Path, tally: Tally, seconds: float) -> None:
    end = time.monotonic() + seconds
    async with opened(server) as channel:
        callers = clients(server, mix(server.url), tally, CALLERS, channel)
        calls = [call(client, end) for client in callers]
        await asyncio.gather(swap(server, models, tally, end), *calls)


async def call(client: Client, end: float) -> None:
    scenarios, weights = list(WEIGHTS), list(WEIGHTS.values())
    while time.monotonic() < end:
        (scenario,) = client.random.choices(scenarios, weights)
        await play(client, scenario)
    await client.wire.close()


async def swap(server: Server, models: Path, tally: Tally, end: float) -> None:
    """A newer version comes, and goes again."""
    version = models / SWAPPED / "2"
    wire = Wire(server.url)
    head = f"POST /v2/repository/models/{SWAPPED}/load HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    while time.monotonic() < end:
        if version.exists():
            await asyncio.to_thread(shutil.rmtree, version)
        else:
            await asyncio.to_thread(put_version, models / SWAPPED / "1", version)
        answer = await wire.ask(f"{head}content-length: 0\r\n\r\n".encode())
        tally.ran["swap"] += 1
        tally.others += 1
        if answer.status != 200:
            tally.unexpected.append(f"swap: {answer.status} {answer.body[:200]!r}")
        await asyncio.sleep(max(0, min(SWAP_SECONDS, end - time.monotonic())))
    await wire.close()


def put_version(old: Path, new: Path) -> None:
    coming = old.parent / ".coming"
    shutil.copytree(old, coming)
    spec = coming / "model.json"
    spec.write_text(spec.read_text().replace('"version": "1"', f'"version": "{new.name}"', 1))
    coming.rename(new)


if __name__ == "__main__":
    raise SystemExit(main())
