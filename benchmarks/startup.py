"""From the start of the process until it says that it is ready, and whether it then is: the first request to each model
is as quick as any later one.

python -m benchmarks.startup
python -m benchmarks.startup --lazy    a service that leaves work to the first request, which must fail
"""

import argparse
import asyncio
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks.gates import Gate, at_most, heading, none_of, verdict
from benchmarks.mix import PICTURES, Case, pictures, sentences
from benchmarks.servers import free_port, running
from benchmarks.wire import Wire

STARTS = 10
LATER = 100  # requests to each model
READY_SECONDS = 3.0
FIRST = 1.5  # times the p99 of those that come later


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--lazy", action="store_true")
    args = parser.parse_args(arguments)
    print(heading("python -m benchmarks.startup"))
    return verdict(startup(args.starts, lazy=args.lazy))


def startup(starts: int, *, lazy: bool = False) -> list[Gate]:
    begun = [start(lazy=lazy) for _ in range(starts)]
    seconds = [taken for taken, _, _ in begun]
    ratios = [ratio for _, ratios, _ in begun for ratio in ratios]
    print(f"{starts} starts: ready after {median(seconds):.2f} s, {max(seconds):.2f} s at worst")
    print(f"first requests: {median(ratios):.2f} times the p99 of later ones, {max(ratios):.2f} at worst")
    return [
        at_most("until it is ready, at worst", max(seconds), READY_SECONDS, "s"),
        at_most("a first request against the p99 of later ones, p99", p99(ratios), FIRST, "times"),
        none_of("answers other than 200 once it was ready", [told for _, _, wrong in begun for told in wrong]),
    ]


def start(*, lazy: bool) -> tuple[float, list[float], list[str]]:
    """The seconds until it is ready; each model's first request as a share of the p99 of later ones; what was answered
    otherwise than it should be. In one process, whose first request it then is."""
    port = free_port()
    faulty = ["-m", "uvicorn", "--factory", "benchmarks.faulty:lazy", "--port", str(port), "--no-access-log"]
    command = [sys.executable, *(faulty if lazy else ["-m", "service"])]
    environ = {
        "MAXPOOL_PORT": str(port),
        "MAXPOOL_GRPC_PORT": "0",
        "MAXPOOL_WORKERS": "1",
        "MAXPOOL_DRAIN_SECONDS": "0",
    }
    begin = time.monotonic()
    with running(command, port, answers=is_ready, environ=environ) as server:
        taken = time.monotonic() - begin
        return taken, *asyncio.run(first_requests(server.url))


def is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
    except (urllib.error.HTTPError, OSError):
        return False
    return True


async def first_requests(url: str) -> tuple[list[float], list[str]]:
    ratios: list[float] = []
    wrong: list[str] = []
    for case in of_each_model(url):
        seconds: list[float] = []
        for _ in range(1 + LATER):  # each on a connection of its own, as the first has to be
            wire = Wire(url)
            begin = time.perf_counter()
            answer = await wire.ask(case.request)
            seconds.append(time.perf_counter() - begin)
            await wire.close()
            if answer.status != 200:
                wrong.append(f"{case.what}: {answer.status}")
        first, *later = seconds
        ratios.append(first / p99(later))
    return ratios, wrong


def of_each_model(url: str) -> list[Case]:
    """As a client has it: a picture file, a sentence."""
    cases = [*pictures(url), *sentences(url)]
    models = [*PICTURES, *dict.fromkeys(case.what.partition(",")[0] for case in sentences(url))]
    return [next(case for case in cases if case.what.startswith(f"{model},")) for model in models]


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


if __name__ == "__main__":
    raise SystemExit(main())
