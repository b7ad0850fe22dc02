"""What a line of the log for each request costs: MAXPOOL_REQUEST_LOG=1 into a file and to nowhere, against 0.

python -m benchmarks.requestlog
python -m benchmarks.requestlog --quick

The smallest net, one worker. Three servers run side by side and are loaded in turn, so that what else the machine
does falls on all of them alike; CPU time a request holds where requests a second do not.
"""

import argparse
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.bodies import digits
from benchmarks.load import drive, generator
from benchmarks.servers import NOWHERE, Server, service

CONNECTIONS = 64
WARM_SECONDS = 1.0
OFF, FILE, NULL = "off", "into a file", "to /dev/null"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the request log costs.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    seconds, rounds = (1.0, 1) if args.quick else (2.0, 9)
    with TemporaryDirectory() as folder:
        logs = {OFF: NOWHERE, FILE: Path(folder) / "log", NULL: NOWHERE}
        settings = {name: {"request_log": str(int(name != OFF))} for name in logs}
        found = measure(settings, logs, seconds=seconds, rounds=rounds)
        lines = sum(b'"maxpool.request"' in line for line in logs[FILE].open("rb"))
    print("\n".join([*table("log", found), "", f"{lines:,} lines in the file; load by {generator()}"]))
    return 0


def measure(
    settings: dict[str, dict[str, str]], logs: dict[str, Path], *, seconds: float, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Of a server of each, in turn and another first each time: requests a second, and CPU microseconds a request."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in settings}
    names = list(settings)
    for _ in range(rounds):
        with ExitStack() as running:  # anew: two processes that do the same differ, for as long as they live
            servers = {
                name: running.enter_context(service(workers=1, settings=settings[name], log=logs[name]))
                for name in names
            }
            for name in names:
                load(servers[name], WARM_SECONDS)
            for name in [*names, *reversed(names)]:
                found[name].append(load(servers[name], seconds))
        names = [*names[1:], names[0]]
    return found


def load(server: Server, seconds: float) -> tuple[float, float]:
    workload = digits()
    before = server.cpu_seconds()
    url = server.url + workload.path
    answered = drive(url, workload.bodies, workload.headers, connections=CONNECTIONS, seconds=seconds)
    return answered.rate, (server.cpu_seconds() - before) / answered.requests * 1e6


def table(what: str, found: dict[str, list[tuple[float, float]]]) -> list[str]:
    """What else is on than off, against off."""
    off_rate, off_cpu = medians(found[OFF])
    lines = [f"| {what} | requests/s | ratio | CPU µs a request | ratio |", "| --- | --- | --- | --- | --- |"]
    for name, rounds in found.items():
        rate, cpu = medians(rounds)
        lines.append(f"| {name} | {rate:,.0f} | {rate / off_rate:.2f} | {cpu:.1f} | {cpu / off_cpu:.2f} |")
    return lines


def medians(rounds: Iterable[tuple[float, float]]) -> tuple[float, float]:
    rates, cpu = zip(*rounds, strict=True)
    return median(rates), median(cpu)


if __name__ == "__main__":
    raise SystemExit(main())
