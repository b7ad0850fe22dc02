"""What 10,000 requests a second of each model cost in cores, machines and network, from what a request costs here.

python -m benchmarks.sizing
python -m benchmarks.sizing --write docs/sizing.md
python -m benchmarks.sizing --quick

Some two minutes, with nothing else running. docs/sizing.md says what is assumed.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bodies import Workload, digits, sentences
from benchmarks.load import generator
from benchmarks.mix import picture
from benchmarks.report import put
from benchmarks.servers import MIB, ROOT, Server, service
from benchmarks.slices import Pace, in_turn, measure
from scripts.hardware import hardware

RATE = 10_000  # requests a second to be answered
UTILISATION = 0.7  # of the cores, so that the queues stay short
MACHINES = (16, 64)  # cores
FRAMING = 350  # bytes of a request beside its body: the head, TCP, IP and Ethernet, at one segment a request
CONNECTIONS = 64
PACE, QUICK = Pace(3, 3), Pace(1, 1)
HEAD = (
    "| model | µs of CPU | requests/s a core | cores | of 16 cores | of 64 cores | bytes a body | Mbit/s in |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Size:
    """What a model needs, by what one request of one input costs it."""

    model: str
    micros: int  # of CPU time, user and system, of all the server's processes
    body: int  # bytes, the mean

    @property
    def per_core(self) -> float:
        """Requests a second at the utilisation."""
        return 1e6 / self.micros * UTILISATION

    @property
    def cores(self) -> int:
        return math.ceil(RATE * self.micros / 1e6 / UTILISATION)

    def machines(self, cores: int) -> int:
        """One more than are needed, so that one may go."""
        return math.ceil(self.cores / cores) + 1

    @property
    def megabits(self) -> float:
        """A second, of requests."""
        return RATE * (self.body + FRAMING) * 8 / 1e6

    def row(self) -> str:
        machines = " | ".join(f"{self.machines(cores):,}" for cores in MACHINES)
        return (
            f"| {self.model} | {self.micros:,} | {self.per_core:,.0f} | {self.cores:,} | {machines} "
            f"| {self.body:,} | {self.megabits:,.0f} |"
        )


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What 10,000 requests a second of each model cost.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into its place there, too")
    return parser.parse_args(arguments)


def workloads() -> list[Workload]:
    """One picture or sentence a request. The nets of CIFAR get PNGs of noise, the largest that their size can be."""
    headers = {"content-type": "image/png"}
    noise = [picture(32, seed * 5) for seed in range(16)]  # 32 x 32
    coloured = ("convnetjs-cifar10", "resnet20-cifar10", "resnet20-cifar10-int8")
    text = sentences()
    return [
        digits(),
        *(Workload(name, ROOT / "models" / name / "1", noise, headers) for name in coloured),
        text,
        Workload("textcnn-trec", ROOT / "models/textcnn-trec/1", text.bodies, text.headers),
    ]


def size(server: Server, workload: Workload, pace: Pace) -> Size:
    load = partial(measure, server, workload, connections=CONNECTIONS, seconds=pace.seconds)
    load()
    (slices,) = in_turn([load], pace.slices)
    micros = sorted(each.cpu for each in slices)[len(slices) // 2]
    body = sum(map(len, workload.bodies)) / len(workload.bodies)
    return Size(workload.model.parent.name, round(micros), round(body))


def table(sizes: Sequence[Size]) -> list[str]:
    return [HEAD, *(each.row() for each in sizes)]


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    if args.write:
        put("", args.write, dry=True)
    pace = QUICK if args.quick else PACE
    with service(workers=1) as server:
        idle = server.memory()
        sizes = [size(server, each, pace) for each in workloads()]
        busy = server.memory()
    with service(workers=2) as two:
        second = two.memory()
    text = "\n".join(
        [
            f"{hardware()}; one worker, {CONNECTIONS} connections kept alive, load by {generator()} on the same CPUs; "
            f"medians of {pace.slices} slices of {pace.seconds:g} s.",
            "",
            *table(sizes),
            "",
            f"Memory (PSS) with these six models: {idle / MIB:,.0f} MiB with one worker at rest, {busy / MIB:,.0f} MiB "
            f"after the load, {second / MIB:,.0f} MiB with two workers at rest.",
        ]
    )
    print(text)
    if args.write:
        put(text, args.write)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
