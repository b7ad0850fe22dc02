"""What a replica on Ray Serve costs against the bare service: requests a second, times, CPU time, memory.

python -m benchmarks.ray --python .cache/ray/bin/python    after make ray, which installs Ray there
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.bodies import digits
from benchmarks.gates import heading
from benchmarks.rayserver import replica
from benchmarks.servers import MIB, ROOT, Server, service
from benchmarks.slices import QUICK, Pace, Slice, in_turn, measure, ratio

CONNECTIONS = (1, 16, 64)
PACE = Pace(2, 2)
# By how requests get to the replica.
ROADS = {
    "Ray, HAProxy": {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"},
    "the same, two event loops": {},
    "Ray's own proxy": {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0", "RAY_SERVE_ENABLE_HA_PROXY": "0"},
}


@dataclass(frozen=True)
class Row:
    what: str
    connections: int
    slices: tuple[Slice, ...]
    of_bare: float  # requests a second


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=ROOT / ".cache/ray/bin/python")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(arguments)
    if not args.python.exists():
        raise SystemExit(f"there is no {args.python}: make ray installs Ray")
    print(heading("python -m benchmarks.ray"))
    pace = QUICK if args.quick else PACE
    print("| | connections | /s | of the bare service's | CPU µs a request | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    memory = {}
    with ExitStack() as stack:
        bare = stack.enter_context(service(workers=1))
        for what, environ in ROADS.items():
            with replica(args.python, environ) as ray:
                for row in rows(bare, ray, what, pace):
                    loads = [each.load for each in row.slices]
                    print(
                        f"| {row.what} | {row.connections} | {median(each.rate for each in loads):,.0f} | "
                        f"{row.of_bare:.2f} | {median(each.cpu for each in row.slices):,.0f} | "
                        f"{1000 * median(each.p50 for each in loads):.2f} | "
                        f"{1000 * median(each.p99 for each in loads):.1f} |",
                        flush=True,
                    )
                memory[what] = f"{ray.memory() / MIB:,.0f} MiB in {ray.processes()} processes"
        memory["bare"] = f"{bare.memory() / MIB:,.0f} MiB in {bare.processes()} process"
    print("\nMemory (PSS): " + "; ".join(f"{what}: {text}" for what, text in memory.items()) + ".")


def rows(bare: Server, ray: Server, what: str, pace: Pace) -> Iterator[Row]:
    for connections in CONNECTIONS:
        calls = [
            partial(measure, server, digits(), connections=connections, seconds=pace.seconds) for server in (bare, ray)
        ]
        alone, rayed = in_turn(calls, pace.slices)
        of_bare = ratio([each.load.rate for each in rayed], [each.load.rate for each in alone])
        if what == next(iter(ROADS)):
            yield Row("bare", connections, alone, 1.0)
        yield Row(what, connections, rayed, of_bare)


if __name__ == "__main__":
    main()
