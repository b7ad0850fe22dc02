"""Serving while somebody looks inside a net all the time, against serving alone: latencies as ratios of one run.

python -m benchmarks.inspect
python -m benchmarks.inspect --seconds 3 --slices 5
python -m benchmarks.inspect --hasty            a service that inspects at the priority of serving, which must fail

The net is AlexNet of random weights, of which all layers, maps, switches and evidence are asked for, again and again.
"""

import argparse
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from benchmarks.bodies import Workload, photos
from benchmarks.gates import Gate, at_least, at_most, heading, verdict
from benchmarks.graphs import random_model
from benchmarks.servers import MIB, ROOT, Server, faulty, service
from benchmarks.slices import Slice, measure, ratio

CACHE = ROOT / "runs/benchmarks/alexnet"  # made once
QUERY = "methods=cam,switches,filters&layers=convolution1,max1,convolution2,max2,convolution3,convolution4,max3"
CONNECTIONS = {"an idle machine, one client": 1, "all CPUs busy, two clients": 2}
SLOWER = 1.15  # p50 with an inspector over p50 without
TAIL = 1.5  # of p99


@dataclass
class Looked:
    seconds: list[float] = field(default_factory=list)  # of each inspection that was answered
    refused: int = 0
    memory: int = 0  # bytes more than before the first, at most


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what an inspection costs those who predict.")
    parser.add_argument("--seconds", type=float, default=3, help="of a slice")
    parser.add_argument("--slices", type=int, default=5)
    parser.add_argument("--hasty", action="store_true", help="a service that does not step back: must fail")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    model = random_model("alexnet", "torchvision", 1000, models=CACHE, name="alexnet")
    workload = photos(model)
    print(heading(f"{args.slices} pairs of slices of {args.seconds:g} s"))
    gates: list[Gate] = []
    with faulty("hasty", models=CACHE) if args.hasty else service(workers=1, models=CACHE) as server:
        measure(server, workload, connections=1, seconds=1)
        for what, connections in CONNECTIONS.items():
            gates += compare(server, workload, what, connections, args.seconds, args.slices)
    return verdict(gates)


def compare(
    server: Server, workload: Workload, what: str, connections: int, seconds: float, slices: int
) -> Iterator[Gate]:
    """Slices without and with an inspector in turn."""
    looked = Looked()
    alone: list[Slice] = []
    watched: list[Slice] = []
    for _ in range(slices):
        alone.append(measure(server, workload, connections=connections, seconds=seconds))
        with looking(server, workload, looked):
            watched.append(measure(server, workload, connections=connections, seconds=seconds))
    p50, p99 = ([getattr(each.load, name) for each in watched] for name in ("p50", "p99"))
    before50, before99 = ([getattr(each.load, name) for each in alone] for name in ("p50", "p99"))
    print(
        f"{what}: p50 {1e3 * median(before50):.1f} ms alone, {1e3 * median(p50):.1f} ms watched; p99 "
        f"{1e3 * median(before99):.1f} and {1e3 * median(p99):.1f} ms; {len(looked.seconds)} inspections of "
        f"{1e3 * median(looked.seconds or [0.0]):.0f} ms, {looked.refused} refused; {looked.memory / MIB:+.0f} MiB"
    )
    yield at_most(f"{what}: p50 watched over alone", ratio(p50, before50), SLOWER)
    yield at_most(f"{what}: p99 watched over alone", ratio(p99, before99), TAIL)
    yield at_least(f"{what}: inspections answered", len(looked.seconds), slices)


@contextmanager
def looking(server: Server, workload: Workload, looked: Looked) -> Iterator[None]:
    """One inspection after the other, the first of them answered before."""
    over = threading.Event()
    url = f"{server.url}{workload.path.removesuffix('predict')}inspect?{QUERY}"
    before = server.anonymous()

    def look() -> None:
        start = time.perf_counter()
        try:
            request = urllib.request.Request(url, workload.bodies[0], workload.headers)
            urllib.request.urlopen(request, timeout=60).read()
            looked.seconds.append(time.perf_counter() - start)
        except urllib.error.HTTPError:
            looked.refused += 1
        looked.memory = max(looked.memory, server.anonymous() - before)

    def go_on() -> None:
        while not over.is_set():
            look()

    look()
    thread = threading.Thread(target=go_on)
    thread.start()
    yield
    over.set()
    thread.join()


if __name__ == "__main__":
    raise SystemExit(main())
