"""python -m benchmarks.overload: what becomes of a service that is asked more than it can do.

Its capacity C by a closed loop, then 0.5, 1, 2, 5 and 10 times as much by an open one, and a step from 0.5 to 10 times
and back. The service has one CPU and the generator the others. Exit status 1 where a gate is missed.

--control takes the deadline and the limit of the queue away from the service, as servers have it that know neither:
that must miss the gates, or they are none.
"""

import argparse
import asyncio
import re
import time
import urllib.request
from collections.abc import Sequence
from functools import partial

import uvloop

from benchmarks.affinity import CPUS, on
from benchmarks.bodies import Workload, photos
from benchmarks.gates import Gate, at_least, at_most, heading, verdict
from benchmarks.graphs import random_model
from benchmarks.load import drive, post
from benchmarks.openloop import Outcome, open_loop, percentile
from benchmarks.point import HEAD, Counted, Point
from benchmarks.servers import ROOT, Server, service

MODELS = ROOT / "runs/benchmarks/resnet34"  # made once; some 40 ms a picture, so that 10 x C is no great work to send
TIMES = (0.5, 1.0, 2.0, 5.0, 10.0)
CONNECTIONS = 8  # of the closed loop: the CPU is never idle, and nobody waits for as long as the deadline
SLACK = 1.25  # times the p99 before a step that an answer after it may take
HEALTH_RATE, METRICS_RATE = 10, 2  # requests a second
UNBOUNDED = {"queue_rows": "1000000", "timeout_seconds": "3600"}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the service beyond its capacity.")
    parser.add_argument("--seconds", type=float, default=20, help="of load at a point (20)")
    parser.add_argument("--deadline", type=int, default=500, help="milliseconds that a client waits (500)")
    parser.add_argument("--workers", type=int, default=1, help="of the service; more than one have all CPUs (1)")
    parser.add_argument("--points", type=float, nargs="+", default=TIMES, metavar="TIMES", help="of the capacity")
    parser.add_argument("--control", action="store_true", help="against a service that knows no deadline")
    return parser.parse_args(arguments)


def capacity(server: Server, workload: Workload, seconds: float) -> float:
    load = partial(drive, f"{server.url}{workload.path}", workload.bodies, workload.headers)
    return load(connections=CONNECTIONS, seconds=seconds, enough=2 * CONNECTIONS).rate


def counted(server: Server) -> Counted:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    rows = re.findall(r"^maxpool_batch_rows_sum{.*} (\S+)$", text, re.MULTILINE)
    answered = re.findall(r'^maxpool_requests_total{code="200",.*} (\S+)$', text, re.MULTILINE)
    return Counted(sum(map(float, rows)), sum(map(float, answered)))


def get(server: Server, path: str) -> list[bytes]:
    return [f"GET {path} HTTP/1.1\r\nhost: {server.url.removeprefix('http://')}\r\n\r\n".encode()]


class Bench:
    """One service, asked for one thing."""

    def __init__(self, server: Server, workload: Workload, *, deadline: int, control: bool) -> None:
        self._server = server
        self._deadline = deadline / 1000
        self._patience = 2 * self._deadline
        self._capacity_of = partial(capacity, server, workload)
        own = {} if control else {"x-request-timeout-ms": str(deadline)}
        url = f"{server.url}{workload.path}"
        self._requests = [post(url, body, {**workload.headers, **own}) for body in workload.bodies]
        self.beside: list[Outcome] = []  # all that was asked of health and metrics
        self._capacity_of(2)  # warm

    def ask(self, *steps: tuple[float, float]) -> tuple[list[Outcome], list[Outcome], list[Outcome]]:
        """Predictions, with health and metrics beside them."""
        seconds = sum(seconds for _, seconds in steps)
        url = self._server.url

        async def all_three() -> tuple[list[Outcome], list[Outcome], list[Outcome]]:
            return await asyncio.gather(
                open_loop(url, self._requests, steps, patience=self._patience),
                open_loop(url, get(self._server, "/healthz"), [(HEALTH_RATE, seconds)], patience=10, seed=1),
                open_loop(url, get(self._server, "/metrics"), [(METRICS_RATE, seconds)], patience=10, seed=2),
            )

        predictions, health, metrics = uvloop.run(all_three())
        self.beside += [*health, *metrics]
        return predictions, health, metrics

    def calm(self) -> Counted:
        """When nothing is under way any more."""
        before = Counted(-1, -1)
        while (now := counted(self._server)) != before:
            before = now
            time.sleep(0.5)
        return now

    def points(self, times_of_capacity: Sequence[float], seconds: float) -> list[Point]:
        able = [self._capacity_of(seconds / 4)]
        found = []
        for times in times_of_capacity:
            before = self.calm()
            outcomes, health, metrics = self.ask((able[0] * times, seconds))
            after = self.calm()
            able.append(self._capacity_of(seconds / 4))
            spent = Counted(after.rows - before.rows, after.answered - before.answered)
            mean = (able[-2] + able[-1]) / 2
            found.append(Point(times, mean, seconds, self._deadline, outcomes, spent, health, metrics))
            print(found[-1].row(), flush=True)
        return found

    def recovery(self, seconds: float) -> float:
        """From the end of a step to 10 times the capacity until for a second all is as it was before the step."""
        rate = self._capacity_of(seconds / 4) / 2
        lead = seconds / 2
        outcomes, _, _ = self.ask((rate, lead), (20 * rate, lead), (rate, lead))
        normal = percentile([each.seconds for each in outcomes if each.due < lead], 0.99)
        return recovered(outcomes, 2 * lead, SLACK * normal)


def recovered(outcomes: Sequence[Outcome], since: float, normal: float) -> float:
    """Seconds after `since` from which on, for a second, all that was due was answered within `normal` seconds."""
    bad = [each.due for each in outcomes if each.due >= since and not (each.status == 200 and each.seconds <= normal)]
    for begin in [since, *bad]:
        if not any(begin < due <= begin + 1 for due in bad):
            return begin - since
    raise AssertionError("after the last of them nothing is bad")


def gates(points: Sequence[Point], recovery: float, beside: Sequence[Outcome]) -> list[Gate]:
    over = [point.share for point in points if point.times >= 2]
    below = [point.share for point in points if point.times < 1]
    deadline = 1e3 * points[0].deadline
    well = sum(each.status == 200 for each in beside)
    return [
        at_least("in time below C, of offered", min(below, default=1.0), 0.99),
        at_least("in time from 2 x C on, of C", min(over, default=1.0), 0.95),
        at_most("p99 of 200, ms", max(1e3 * p.p(0.99, p.of(200)) for p in points), deadline),
        at_most("p99 of 503, ms", max(1e3 * p.p(0.99, p.of(503)) for p in points), 25),
        at_least("503 with Retry-After and error", min(p.told for p in points), 1.0),
        at_most("rows run in vain", max(p.wasted for p in points), 0.01),
        at_most("back to normal after the step, s", recovery, 1.0),
        Gate(
            "healthz and metrics answered with 200",
            "each time",
            f"{well:,} of {len(beside):,}",
            0 < well == len(beside),
        ),
    ]


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    model = random_model("resnet34", "torchvision", 1000, models=MODELS, name="resnet34")
    workload = photos(model, width=256, height=192)
    print(heading(f"{args.workers} workers, deadline {args.deadline} ms, {args.seconds:g} s a point"))
    settings = {"keep_alive_seconds": "60", **(UNBOUNDED if args.control else {})}  # the generator keeps many at hand
    alone = args.workers == 1
    with on(CPUS[:1] if alone else CPUS):
        running = service(workers=args.workers, models=MODELS, settings=settings)
        with running as server, on(CPUS[1:] if alone else CPUS):
            bench = Bench(server, workload, deadline=args.deadline, control=args.control)
            print(HEAD, flush=True)
            points = bench.points(args.points, args.seconds)
            recovery = bench.recovery(args.seconds)
    return verdict(gates(points, recovery, bench.beside))


if __name__ == "__main__":
    raise SystemExit(main())
