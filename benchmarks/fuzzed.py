"""One target under atheris, until the seconds are over or something is found; benchmarks.fuzz starts it.

python -m benchmarks.fuzzed picture .cache/fuzz/picture 60
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "python_multipart", "service", "benchmarks.hostile"]):
    from benchmarks.hostile import CONTROLS, TARGETS, everything, seeds_of_everything

MAX_LENGTH = 8192  # bytes
GROWTH = 2  # times the memory after the seeds
SLOW = 5  # seconds for one input


def main(name: str, folder: Path, seconds: int) -> None:
    """Does not return: the fuzzer ends the process, with 0 where it found nothing."""
    targets = TARGETS | CONTROLS | {everything: seeds_of_everything}
    read, seeds = next((read, seeds) for read, seeds in targets.items() if read.__name__ == name)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
        read(seed)
    megabytes = resident() // 2**20
    print(f"baseline: {megabytes} MB", flush=True)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_LENGTH,
        "rss_limit_mb": GROWTH * megabytes,
        "timeout": SLOW,
        "seed": 1,
        "print_final_stats": 1,
        "artifact_prefix": f"{folder}/found-",
    }
    atheris.Setup([sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(folder)], read)
    atheris.Fuzz()


def resident() -> int:
    """Bytes."""
    return 1024 * int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
