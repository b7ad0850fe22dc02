"""Memory that was freed, given back to the system: the C library keeps it for later, which for a server never comes.
And how much there is, and may be."""

import ctypes
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # bytes: without a limit, version 1 of the cgroups says a number beyond all memory
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
# Bytes. Below it is what a photo of a megapixel takes while it is decoded: given back and mapped anew, page by page, it
# would cost 40 % more each time.
LARGE = 4 * 1024 * 1024


def keep_nothing_large() -> None:
    """From now on what is large goes back to the system as soon as it is freed. Left to itself glibc learns from the
    first large block that is freed to keep those that follow, in a heap of each thread that `trim` does not reach the
    end of: a version loaded in a thread, and let go, would leave some of its size there. To be called while there is
    one thread. Nothing where the C library has no such call."""
    call = getattr(ctypes.CDLL(None), "mallopt", None)
    if call is not None:
        call(M_MMAP_THRESHOLD, LARGE)
        call(M_TRIM_THRESHOLD, 2 * LARGE)


def trim() -> None:
    """Nothing where the C library has no such call (it is glibc's)."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)


def resident(pids: Iterable[int]) -> int | None:
    """Bytes that these processes take together, what they share counted once: forked workers share the models. None
    where the system does not say (it is Linux's). Takes some 8 ms a process: not for the event loop."""
    shares = []
    for pid in pids:
        with suppress(OSError):  # it has ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            shares += [1024 * int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    return sum(shares) if shares else None


def limit(cgroup: Path = CGROUP) -> int | None:
    """Bytes allowed by cgroup version 2 or 1; None for no limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # of the other version, or "max"
            bytes_ = int((cgroup / name).read_text())
            return bytes_ if bytes_ < UNLIMITED else None
    return None
