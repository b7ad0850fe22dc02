"""Our service against the ceilings of this machine, in one run: a table of ratios, with what they are made of.

python -m benchmarks.report
python -m benchmarks.report --write docs/performance.md
python -m benchmarks.report --quick

Some eight minutes, with wrk where it is installed. --quick leaves ResNet-50 out and is too short to believe.
"""

import argparse
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks import scaling
from benchmarks.bodies import digits
from benchmarks.load import generator
from benchmarks.slices import FULL, QUICK, Pace, Run
from benchmarks.targets import WORKERS, Findings, Target, measure_all
from scripts.hardware import hardware

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
PACKAGES = ("onnxruntime", "uvicorn", "uvloop", "httptools", "numpy", "pillow")


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the service against its ceilings.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"put the tables between {BEGIN} and {END}, too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    if args.write:
        put("", args.write, dry=True)
    pace = QUICK if args.quick else FULL
    busy = os.getloadavg()[0]
    found = measure_all(pace, large=not args.quick)
    text = "\n".join([*heading(pace, busy), *targets(found.targets), *runs(found), *flatness(pace), *notes(found)])
    print(text)
    if args.write:
        put(text, args.write)
    return 0


def heading(pace: Pace, busy: float) -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"{date.today():%Y-%m-%d}, {hardware()}; Python {platform.python_version()}, {packages}.",
        f"{WORKERS} workers, medians of {pace.slices} slices of {pace.seconds:g} s (ResNet-50: longer ones); load by "
        f"{generator()} on the same CPUs; load average {busy:.1f} before the run.",
        "",
    ]


def targets(found: list[Target]) -> list[str]:
    rows = [
        f"| {each.what} | {each.found:.2f} | {'≤' if each.at_most else '≥'} {each.bound:.2f} "
        f"| {'yes' if each.met else '**no**'} | {'–' if each.by_cpu is None else f'{each.by_cpu:.2f}'} |"
        for each in found
    ]
    return ["| ratio | measured | target | met | by CPU time |", "| --- | --- | --- | --- | --- |", *rows, ""]


def runs(found: Findings) -> list[str]:
    served = [row(each) for each in found.runs]
    alone = [f"| no server | {what} | – | {rate:,.0f} | {cpu:,.0f} | – | – |" for what, rate, cpu in found.alone]
    head = "| | workload | connections | /s | CPU µs a request | p50 ms | p99 ms |"
    return [head, "| --- | --- | --- | --- | --- | --- | --- |", *served, *alone, ""]


def row(run: Run) -> str:
    figures = f"{run.rate:,.0f} | {run.cpu:,.0f} | {run.p50 * 1e3:.2f} | {run.p99 * 1e3:.2f}"
    return f"| {run.server} | {run.workload} | {run.connections} | {figures} |"


def flatness(pace: Pace) -> list[str]:
    """What must not cost: models that nobody asks, requests in the queue, labels."""
    shorter = Pace(min(pace.seconds, 2), min(pace.slices, 3))
    workload = digits()
    parts = [
        scaling.by_models(workload, (1, 3) if pace is QUICK else (1, 10, 50), shorter),
        scaling.by_connections(workload, (64, 1) if pace is QUICK else (64, 1, 1000), shorter, workers=WORKERS),
        scaling.by_labels((5, 1, scaling.LABELS), shorter),
    ]
    return [scaling.HEAD, *(line for part in parts for line in scaling.table(part)), ""]


def notes(found: Findings) -> list[str]:
    return [f"- {note}" for note in found.notes]


def put(text: str, path: Path, *, dry: bool = False) -> None:
    """Between the two marks of the page. Raises SystemExit when it has none; `dry` looks for them and no more."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} has no place for results: put {BEGIN} and {END} there, a line each")
    if not dry:
        path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    raise SystemExit(main())
