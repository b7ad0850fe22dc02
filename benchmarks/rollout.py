"""What a rollout costs those who ask: LeNet-5 with none, with a tenth in the shadow, with a tenth to a canary.

python -m benchmarks.rollout
python -m benchmarks.rollout --quick

The smallest net, one worker, so that the road counts for most; the candidate is the same version again. The servers
run side by side and are loaded in turn, so that what else the machine does falls on all of them alike. A closed loop of
many connections leaves no gap in which a shadow may run: what it would run is dropped. One client leaves some.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

from benchmarks.bodies import digits
from benchmarks.load import drive, generator
from benchmarks.servers import ROOT, Server, service

NAME = "lenet5-mnist"
SHARE = 0.1
CONNECTIONS = (1, 64)
WARM_SECONDS = 1.0
NONE = "none"
MODES = (NONE, "shadow", "canary")
Found = dict[tuple[int, str], list[tuple[float, float, float]]]  # requests a second, CPU microseconds, p99 seconds


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a rollout costs.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    found, figures = measure(*((1.0, 1) if args.quick else (2.0, 5)))
    print("\n".join([*table(found), "", *map(told, figures), f"load by {generator()}"]))
    return 0


def measure(seconds: float, rounds: int) -> tuple[Found, list[dict[str, Any]]]:
    found: Found = {(connections, mode): [] for connections in CONNECTIONS for mode in MODES}
    with TemporaryDirectory() as folder, ExitStack() as running:
        servers = {mode: running.enter_context(rolling(Path(folder), mode)) for mode in MODES}
        for mode in MODES:
            load(servers[mode], 64, WARM_SECONDS)
        for at in range(rounds):
            for connections in CONNECTIONS:
                for mode in (*MODES[at % 3 :], *MODES[: at % 3]):
                    found[connections, mode].append(load(servers[mode], connections, seconds))
        figures = [json.load(urlopen(f"{servers[mode].url}/v1/models/{NAME}/rollout")) for mode in MODES[1:]]
    return found, figures


@contextmanager
def rolling(folder: Path, mode: str) -> Iterator[Server]:
    """A server of the same version twice, or where there is no rollout once."""
    models = folder / mode
    shutil.copytree(ROOT / "models" / NAME / "1", models / NAME / "1")
    if mode != NONE:
        second = shutil.copytree(models / NAME / "1", models / NAME / "2")
        spec = json.loads((second / "model.json").read_text())
        (second / "model.json").write_text(json.dumps({**spec, "version": "2"}))
        asked = {"serve": "1", "candidate": "2", "mode": mode, "share": SHARE}
        (models / NAME / "rollout.json").write_text(json.dumps(asked))
    with service(workers=1, models=models) as server:
        yield server


def load(server: Server, connections: int, seconds: float) -> tuple[float, float, float]:
    workload = digits()
    before = server.cpu_seconds()
    url = server.url + workload.path
    answered = drive(url, workload.bodies, workload.headers, connections=connections, seconds=seconds)
    return answered.rate, (server.cpu_seconds() - before) / answered.requests * 1e6, answered.p99


def table(found: Found) -> list[str]:
    lines = ["| clients | rollout | requests/s | ratio | CPU µs a request | p99 ms |", "| --- " * 6 + "|"]
    for (connections, mode), rounds in found.items():
        rate, cpu, p99 = (median(each) for each in zip(*rounds, strict=True))
        without = median(rate for rate, _, _ in found[connections, NONE])
        lines.append(f"| {connections} | {mode} | {rate:,.0f} | {rate / without:.2f} | {cpu:.1f} | {1000 * p99:.2f} |")
    return lines


def told(status: dict[str, Any]) -> str:
    figures = status["figures"]
    return (
        f"{status['mode']}: {figures['answered']:,} requests answered by the candidate, "
        f"{figures['rows']:,} rows compared, {figures['dropped']:,} dropped, agreement {figures.get('agreement')}, "
        f"latency ratio {figures.get('latency_ratio', 0):.2f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
