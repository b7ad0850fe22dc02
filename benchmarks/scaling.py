"""python -m benchmarks.scaling: what a request costs with more workers, connections, models and labels.

Judge by the CPU time a request: the rates share the machine with the load generator.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bodies import Workload, digits, sentences
from benchmarks.graphs import copies, random_model
from benchmarks.load import generator
from benchmarks.servers import ROOT, Server, service
from benchmarks.slices import FULL, QUICK, Pace, Run, in_turn, measure

MODELS = ROOT / "runs/benchmarks"  # made once
LABELS = 1000
CONNECTIONS = 64
HEAD = "| workload | | /s | CPU µs | of the first | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- | --- | --- |"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a request costs as things grow.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    return parser.parse_args(arguments)


def by_workers(workload: Workload, counts: Sequence[int], pace: Pace) -> list[Run]:
    with ExitStack() as stack:
        servers = {f"{count} workers": stack.enter_context(service(workers=count)) for count in counts}
        return compare(servers, workload, pace)


def by_connections(workload: Workload, counts: Sequence[int], pace: Pace, *, workers: int) -> list[Run]:
    """So many requests are under way or queued at any time."""
    with service(workers=workers) as server:
        calls = [partial(measure, server, workload, connections=count, seconds=pace.seconds) for count in counts]
        calls[-1]()
        slices = in_turn(calls, pace.slices)
    named = zip(counts, slices, strict=True)
    return [Run(f"{count} connections", workload.title, count, taken) for count, taken in named]


def by_models(workload: Workload, counts: Sequence[int], pace: Pace) -> list[Run]:
    """One is asked, the others are loaded beside it."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        servers: dict[str, Server] = {}
        for count in counts:
            models = copies(workload.model, count, Path(folder) / str(count))
            servers[f"{count} models"] = stack.enter_context(service(workers=1, models=models))
        return compare(servers, workload, pace)


def by_labels(counts: Sequence[int], pace: Pace) -> list[Run]:
    """top_k of a net with many labels."""
    workload = digits(random_model("lenet5", "modern", LABELS, models=MODELS / "labels", name=f"lenet5-{LABELS}"))
    with service(workers=1, models=MODELS / "labels") as server:
        load = partial(measure, server, workload, connections=CONNECTIONS, seconds=pace.seconds)
        load()
        slices = in_turn([partial(load, query=f"?top_k={count}") for count in counts], pace.slices)
    named = zip(counts, slices, strict=True)
    return [Run(f"top_k {count} of {LABELS}", workload.title, CONNECTIONS, taken) for count, taken in named]


def compare(servers: dict[str, Server], workload: Workload, pace: Pace) -> list[Run]:
    calls = [
        partial(measure, server, workload, connections=CONNECTIONS, seconds=pace.seconds) for server in servers.values()
    ]
    for call in calls:
        call()
    taken = in_turn(calls, pace.slices)
    return [Run(name, workload.title, CONNECTIONS, slices) for name, slices in zip(servers, taken, strict=True)]


def table(runs: Sequence[Run]) -> list[str]:
    return [
        f"| {run.workload} | {run.server} | {run.rate:,.0f} | {run.cpu:,.0f} | {run.cpu / runs[0].cpu:.2f} "
        f"| {run.p50 * 1e3:.2f} | {run.p99 * 1e3:.2f} |"
        for run in runs
    ]


def main(arguments: list[str] | None = None) -> int:
    quick = parse_args(arguments).quick
    pace = QUICK if quick else FULL
    connections = (1, 64) if quick else (1, 8, 64, 256, 1000)
    print(f"Load by {generator()}.\n\n{HEAD}")
    for workload in (digits(),) if quick else (digits(), sentences()):
        print(*table(by_workers(workload, (1, 2), pace)), sep="\n")
        print(*table(by_connections(workload, connections, pace, workers=1)), sep="\n")
        print(*table(by_models(workload, (1, 3) if quick else (1, 10, 50), pace)), sep="\n")
    print(*table(by_labels((1, 5, 100, LABELS), pace)), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
