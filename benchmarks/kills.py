"""Worker processes killed under load, one every two seconds: no request is lost.

python -m benchmarks.kills
python -m benchmarks.kills --seconds 600
python -m benchmarks.kills --control    the first process has too few descriptors to hold connections, which must fail
"""

import argparse
import asyncio
import os
import random
import signal
import time
from collections import Counter

from benchmarks.gates import Gate, at_most, heading, none_of, verdict
from benchmarks.load import post
from benchmarks.servers import FEW, ROOT, SERVICE, Server, service, tree
from benchmarks.wire import Wire

WORKERS = 2
CLIENTS = 32
PAUSE = 0.05  # seconds on average between an answer and the next request of a client
KILL_SECONDS = 2.0
BACK_SECONDS = 2.0  # within which there are as many workers as before
DIGIT = (ROOT / "models/lenet5-mnist/1/golden/digit-7.png").read_bytes()


class Callers:
    """Half of them keep their connection, the others open one for each request."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = False
        self._request = post(f"{url}/v1/models/lenet5-mnist/predict", DIGIT, {"content-type": "image/png"})
        self.outcomes: Counter[str] = Counter()
        self.latencies: list[float] = []

    async def ask(self) -> None:
        """Until they are told to stop."""
        await asyncio.gather(*(self._ask(kept=turn % 2 == 0) for turn in range(CLIENTS)))

    def stop(self) -> None:
        self._stopped = True

    @property
    def wrong(self) -> list[str]:
        """What was not answered, or not rightly."""
        return [f"{count} {outcome}" for outcome, count in self.outcomes.items() if outcome != "200 7"]

    def tell(self) -> None:
        latencies = sorted(self.latencies)
        half, most = (1e3 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
        print(f"{len(latencies):,} requests: {dict(self.outcomes)}; latency p50 {half:.1f} ms, p99 {most:.1f} ms")

    async def _ask(self, *, kept: bool) -> None:
        wire = Wire(self._url)
        while not self._stopped:
            start = time.monotonic()
            try:
                answer = await wire.ask(self._request)
                label = answer.json["predictions"][0]["label"] if answer.status == 200 else ""
                self.outcomes[f"{answer.status} {label}".strip()] += 1
            except (OSError, EOFError) as error:
                self.outcomes[type(error).__name__] += 1
                await wire.close()
            self.latencies.append(time.monotonic() - start)
            if not kept:
                await wire.close()
            await asyncio.sleep(random.expovariate(1 / PAUSE))
        await wire.close()


async def kill(server: Server, seconds: float) -> list[float]:
    """For each worker killed, the seconds until there were as many as before."""
    back = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(KILL_SECONDS)
        workers = tree(server.pid) - {server.pid}
        killed = random.choice(sorted(workers))
        os.kill(killed, signal.SIGKILL)
        start = time.monotonic()
        await asyncio.to_thread(wait_for_another, server, killed, count=len(workers))
        back.append(time.monotonic() - start)
    return back


def wait_for_another(server: Server, killed: int, *, count: int) -> None:
    while killed in (now := tree(server.pid)) or len(now) <= count:
        time.sleep(0.02)


async def run(server: Server, callers: Callers, seconds: float) -> list[float]:
    load = asyncio.create_task(callers.ask())
    back = await kill(server, seconds)
    await asyncio.sleep(KILL_SECONDS)
    callers.stop()
    await load
    return back


def kills(seconds: float, *, control: bool = False) -> tuple[Callers, list[float]]:
    with service(workers=WORKERS, command=(*FEW, *SERVICE) if control else SERVICE) as server:
        callers = Callers(server.url)
        back = asyncio.run(run(server, callers, seconds))
    return callers, back


def gates(wrong: list[str], latencies: list[float], back: list[float]) -> list[Gate]:
    return [
        none_of("requests that were not answered, or not rightly", wrong),
        at_most("until a killed worker is replaced, at worst", max(back), BACK_SECONDS, "s"),
        at_most("a request, at worst", max(latencies), BACK_SECONDS, "s"),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--control", action="store_true")
    args = parser.parse_args(arguments)
    print(heading(f"python -m benchmarks.kills --seconds {args.seconds:g}{' --control' if args.control else ''}"))
    callers, back = kills(args.seconds, control=args.control)
    print(f"{len(back)} workers killed")
    callers.tell()
    return verdict(gates(callers.wrong, callers.latencies, back))


if __name__ == "__main__":
    raise SystemExit(main())
