"""Every reader of what strangers send, under atheris: nothing comes out but errors that a caller is told.

python -m benchmarks.fuzz                               a minute each
python -m benchmarks.fuzz --seconds 600 --only picture,png

The first two are controls, with a bug and a leak put in: what does not find these finds nothing. What was learned and
what was found stays in .cache/fuzz.
"""

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hostile import CONTROLS, TARGETS
from benchmarks.servers import ROOT

FOLDER = ROOT / ".cache" / "fuzz"
STARTING = 60  # seconds, and for what the fuzzer does at its end
LINES = 40  # of its output, where it found something
MISSING = "atheris is not installed: it has packages for Python 3.11 to 3.13 on Linux x86-64 only"
CONTROL_NAMES = [control.__name__ for control in CONTROLS]
NAMES = [target.__name__ for target in TARGETS]


@dataclass(frozen=True)
class Found:
    """What a run of the fuzzer came to."""

    name: str
    ended: int  # 0 where nothing was found
    output: str

    def megabytes(self) -> tuple[int, int]:
        """After the seeds, and at most."""
        return self._number(r"baseline: (\d+)"), self._number(r"peak_rss_mb: +(\d+)")

    def inputs(self) -> int:
        return self._number(r"executed_units: +(\d+)")

    def _number(self, pattern: str) -> int:
        return int(found[1]) if (found := re.search(pattern, self.output)) else 0


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feed every reader with hostile bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="for each reader (%(default)s)")
    parser.add_argument("--only", default=",".join(NAMES), help="readers, by commas (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    names = args.only.split(",")
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"no reader is called {', '.join(sorted(unknown))}: expected {', '.join(NAMES)}")
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit(MISSING)
    print("| reader | inputs | MB after the seeds | MB at most | found |\n| --- | --- | --- | --- | --- |")
    bad = []
    for name in [*CONTROL_NAMES, *names]:
        found = fuzz(name, args.seconds, FOLDER)
        start, most = found.megabytes()
        what = "nothing" if found.ended == 0 else "what was put in" if name in CONTROL_NAMES else "a bug, see below"
        print(f"| {name} | {found.inputs():,} | {start} | {most} | {what} |", flush=True)
        if (found.ended == 0) == (name in CONTROL_NAMES):
            bad.append(found)
    for found in bad:
        print(f"\n{found.name} ended with {found.ended}:", *found.output.splitlines()[-LINES:], sep="\n")
    return 1 if bad else 0


def fuzz(name: str, seconds: int, folder: Path) -> Found:
    """In a process of its own, which the fuzzer ends. A control begins anew."""
    if name in CONTROL_NAMES:
        shutil.rmtree(folder / name, ignore_errors=True)
    # By way of a shell: a process begins with the most memory that the one it was started by ever had.
    by_shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    command = [*by_shell, sys.executable, "-m", "benchmarks.fuzzed", name, str(folder / name), str(seconds)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + STARTING,
    )
    return Found(name, ran.returncode, ran.stdout)


if __name__ == "__main__":
    sys.exit(main())
