"""A service that is told to stop under load, over and over: who goes by its readiness loses no request.

A balancer asks ten times a second whether it is ready, and its clients send until a second after it is not. Every other
pair of stops the service is told twice, the second time with requests under way that outlast its grace. On a
machine so busy that the balancer hears of it after the drain, what is lost is lost by the balancer.

python -m benchmarks.drain
python -m benchmarks.drain --control    no drain, which must fail
"""

import argparse
import asyncio
import gzip
import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.counters import scrape
from benchmarks.gates import Gate, at_least, at_most, heading, none_of, verdict
from benchmarks.kills import Callers
from benchmarks.known import binary
from benchmarks.load import post
from benchmarks.servers import Server, exit_status, service
from benchmarks.wire import PATIENCE, Wire

STOPS = 8  # with one worker and with two in turn
DRAIN_SECONDS, GRACE_SECONDS = 5, 2
BEGUN = 100  # requests answered before a stop
PROBE_SECONDS, HEED_SECONDS = 0.1, 1.0
LONG, ROWS = 160, 128  # requests that outlast the grace, and rows in each: some seconds
LONG_MODEL = "resnet20-cifar10"
TOLD = "503 Unavailable"  # what they hear
PATIENT = {"queue_rows": "1000000", "timeout_seconds": "3600"}


@dataclass(frozen=True)
class Stop:
    asked: int
    wrong: list[str]
    long: Counter[str] | None  # None where it was told once
    status: int
    heard: float  # seconds from the first signal until the balancer knew
    seconds: float  # from the last signal to the end

    @property
    def row(self) -> str:
        long = "-" if self.long is None else ", ".join(f"{count} {what}" for what, count in self.long.items())
        lost = "; ".join(self.wrong) or "0"
        return f"{self.asked:,} | {lost} | {long} | {self.status} | {self.heard:.1f} | {self.seconds:.1f}"


def drain(stops: int, *, control: bool = False) -> list[Stop]:
    print(
        "| workers | requests | lost | those that outlast the grace | exit | heard after s | s |\n" + "| --- " * 7 + "|"
    )
    found = []
    for turn in range(stops):
        workers, twice = 1 + turn % 2, not control and turn // 2 % 2 == 1
        found.append(stop(workers, twice=twice, drain_seconds=0 if control else DRAIN_SECONDS))
        print(f"| {workers} | {found[-1].row} |", flush=True)
    return found


def stop(workers: int, *, twice: bool, drain_seconds: int = DRAIN_SECONDS) -> Stop:
    seconds = 3600 if twice else drain_seconds
    settings = {"drain_seconds": str(seconds), "grace_seconds": str(GRACE_SECONDS), **PATIENT}
    with service(workers=workers, settings=settings) as server:
        return asyncio.run(under_load(server, twice=twice))


async def under_load(server: Server, *, twice: bool) -> Stop:
    callers = Callers(server.url)
    load = asyncio.create_task(callers.ask())
    await asyncio.to_thread(wait_for, lambda: callers.outcomes.total() >= BEGUN)
    os.kill(server.pid, signal.SIGTERM)
    told = time.monotonic()
    await asyncio.to_thread(wait_for, lambda: not is_ready(server))
    heard = time.monotonic() - told
    await asyncio.sleep(HEED_SECONDS)
    callers.stop()
    await load
    long = None
    if twice:
        before = scrape(server.url).received
        waiting = [asyncio.create_task(outlast(server)) for _ in range(LONG)]
        await asyncio.to_thread(wait_for, lambda: scrape(server.url).received >= before + LONG)
        os.kill(server.pid, signal.SIGTERM)
        told = time.monotonic()
        long = Counter(await asyncio.gather(*waiting))
    status = await asyncio.to_thread(exit_status, server.pid)
    return Stop(callers.outcomes.total(), callers.wrong, long, status, heard, time.monotonic() - told)


def wait_for(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(PROBE_SECONDS)


def is_ready(server: Server) -> bool:
    try:
        urllib.request.urlopen(f"{server.url}/readyz", timeout=PATIENCE).close()
    except OSError:  # it says so, or is not there any more
        return False
    return True


async def outlast(server: Server) -> str:
    path, body, headers = binary(LONG_MODEL, np.zeros((ROWS, 32, 32, 3), np.uint8))
    request = post(f"{server.url}{path}", gzip.compress(body), {**headers, "content-encoding": "gzip"})
    wire = Wire(server.url)
    try:
        answer = await wire.ask(request)
        return f"{answer.status}" if answer.status == 200 else f"{answer.status} {answer.json['reason']}"
    except (OSError, EOFError) as error:
        return type(error).__name__
    finally:
        await wire.close()


def gates(stops: Sequence[Stop]) -> list[Gate]:
    long = [each.long for each in stops if each.long is not None]
    astray = [f"{found[what]} {what}" for found in long for what in found if what not in ("200", TOLD)]
    gates = [
        none_of("requests that were not answered, or not rightly", [what for each in stops for what in each.wrong]),
        none_of("ends with another status than 0", [str(each.status) for each in stops if each.status]),
        at_most("to the end, at worst", max(each.seconds for each in stops), DRAIN_SECONDS + GRACE_SECONDS, "s"),
    ]
    if long:
        gates += [
            none_of("requests that outlast the grace and are not told so", astray),
            at_least("that are, at each second signal", min(found[TOLD] for found in long), 1),
        ]
    return gates


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=STOPS)
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args(arguments)
    print(heading(f"python -m benchmarks.drain --stops {args.stops}{' --control' if args.control else ''}"))
    return verdict(gates(drain(args.stops, control=args.control)))


if __name__ == "__main__":
    raise SystemExit(main())
