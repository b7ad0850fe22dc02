"""Who runs on which CPU: a server that is measured is not to share one with what measures it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def on(cpus: list[int]) -> Iterator[None]:
    """This process, and those that it starts meanwhile for their whole life. Nothing where there is no choice."""
    if len(CPUS) < 2:
        yield
        return
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)
