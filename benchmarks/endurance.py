"""A million mixed requests at full speed: memory and descriptors of all processes must not grow with them.

python -m benchmarks.endurance
python -m benchmarks.endurance --requests 300000
python -m benchmarks.endurance --leaking            a service that keeps 1 KB of every request, which must fail

Of the bulk no answer is looked at; each request of the mix is asked once before it and once after, and must be answered
the same. Between two slices of the bulk come clients that go away, are cut off, crash or speak gRPC.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.gates import Gate, at_most, heading, none_of, verdict
from benchmarks.load import generator, replay
from benchmarks.mix import Case, mix
from benchmarks.scenarios import WEIGHTS, clients, no_request, opened, play
from benchmarks.servers import MIB, Server, faulty, service, tree
from benchmarks.tally import Tally
from benchmarks.wire import Wire

WORKERS = 2
CONNECTIONS = 64
SLICE_SECONDS = 5.0  # of load between two looks at the memory
WARM = 100_000  # requests, or a third of fewer: until the largest have met by chance in every process
SLOPE = 1.0  # MiB per 100,000 requests, over the last half
GROWTH = 10.0  # MiB, from the end of the warming up to the end
AVERAGED = 5  # looks at each end


@dataclass(frozen=True)
class Look:
    """At a service that nobody asks anything at that moment."""

    requests: int  # answered until then
    anonymous: float  # MiB, PSS of what is in no file
    resident: float  # MiB, RSS
    descriptors: int

    def __str__(self) -> str:
        return f"{self.requests:>9,}: PSS {self.anonymous:.1f} RSS {self.resident:.1f} MiB, {self.descriptors} open"


@dataclass(frozen=True)
class Endured:
    looks: list[Look]
    seconds: float
    unexpected: list[str]
    gone: set[int]  # processes

    @property
    def warm(self) -> list[Look]:
        least = min(WARM, self.looks[-1].requests / 3)
        return [look for look in self.looks if look.requests >= least]


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="See that a long run costs no memory.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--leaking", action="store_true", help="a service that leaks 1 KB a request: must fail")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    print(heading(f"python -m benchmarks.endurance --requests {args.requests}"), flush=True)
    with faulty("leaking") if args.leaking else service(workers=WORKERS) as server:
        endured = endure(server, mix(server.url), args.requests)
    last = endured.looks[-1]
    print(f"{last.requests:,} requests in {endured.seconds:.0f} s by {generator()}, {len(endured.looks)} looks")
    return verdict(gates(endured))


def endure(
    server: Server, cases: list[Case], requests: int, *, others: bool = True, slice_seconds: float = SLICE_SECONDS
) -> Endured:
    """`others`: clients of other kinds come between two slices."""
    tally = Tally()
    before = asyncio.run(answers(server, cases))
    tally.unexpected += [
        f"{case.what}: {status} instead of {case.status}"
        for case, (status, _) in zip(cases, before, strict=True)
        if status != case.status
    ]
    started, start = tree(server.pid), time.monotonic()
    answered, looks = 0, [look(server, 0)]
    bulk = [case.request for case in cases]
    while answered < requests:
        load = replay(server.url, bulk, connections=CONNECTIONS, seconds=slice_seconds)
        if load.failures > load.refused:
            tally.unexpected.append(f"{load.failures - load.refused} requests of a slice without an answer")
        if others:
            asyncio.run(each_scenario(server, cases, tally))
        answered += load.requests
        looks.append(look(server, answered))
        print(looks[-1], flush=True)
    seconds = time.monotonic() - start
    after = asyncio.run(answers(server, cases))
    tally.unexpected += [
        f"{case.what}: another answer than at the start"
        for case, was, now in zip(cases, before, after, strict=True)
        if was != now
    ]
    return Endured(looks, seconds, tally.unexpected, started - tree(server.pid))


async def answers(server: Server, cases: list[Case]) -> list[tuple[int, bytes]]:
    wire = Wire(server.url)
    found = [await wire.ask(case.request) for case in cases]
    await wire.close()
    return [(answer.status, answer.body) for answer in found]


async def each_scenario(server: Server, cases: list[Case], tally: Tally) -> None:
    """By a few clients at once. What the connection itself refuses is left out: not every server has that part."""
    async with opened(server) as channel:
        callers = clients(server, cases, tally, 2, channel)
        for scenario in WEIGHTS.keys() - {no_request}:
            await asyncio.gather(*(play(client, scenario) for client in callers))
        for client in callers:
            await client.wire.close()


def look(server: Server, requests: int) -> Look:
    time.sleep(0.3)  # for the ends of connections to be seen
    return Look(requests, server.anonymous() / MIB, server.resident() / MIB, server.descriptors())


def gates(endured: Endured, *, slope_bound: float = SLOPE, growth_bound: float = GROWTH) -> list[Gate]:
    warm = endured.warm
    first, last = warm[:AVERAGED], warm[-AVERAGED:]
    found = []
    for kind, name in (("anonymous", "PSS"), ("resident", "RSS")):
        growth = mean(last, kind) - mean(first, kind)
        found += [
            at_most(f"{name}, slope per 100,000 requests over the last half", slope(endured, kind), slope_bound, "MiB"),
            at_most(f"{name}, growth after warming up", growth, growth_bound, "MiB"),
        ]
    return [
        *found,
        # The fewest: in some looks the last connections of clients that crashed are still open.
        at_most(
            "descriptors at the end, more than after warming up",
            min(each.descriptors for each in last) - min(each.descriptors for each in first),
            0,
        ),
        none_of("unexpected outcomes", endured.unexpected),
        none_of("processes that died", [str(pid) for pid in endured.gone]),
    ]


def slope(endured: Endured, kind: str) -> float:
    """MiB per 100,000 requests, by least squares over the last half of the requests."""
    half = [each for each in endured.looks if each.requests >= endured.looks[-1].requests / 2]
    requests = [each.requests / 1e5 for each in half]
    return float(np.polyfit(requests, [getattr(each, kind) for each in half], 1)[0])


def mean(looks: list[Look], kind: str) -> float:
    return float(np.mean([getattr(each, kind) for each in looks]))


if __name__ == "__main__":
    raise SystemExit(main())
