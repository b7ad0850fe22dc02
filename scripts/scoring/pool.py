"""This process alone, or a process a core, each with a session of its own, fed as they get on."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait as wait_for

from scripts.scoring.output import Refused
from scripts.scoring.scorer import Done, Scorer
from scripts.scoring.shards import Shard

AHEAD = 2  # shards a process: the one it scores, and the next

_scorer: Scorer


def score_here(shards: Iterator[Shard], make: "partial[Scorer]") -> Iterator[Done]:
    """Raises Refused when answers can not be written."""
    yield from map(make().score, shards)


def score_in_processes(shards: Iterator[Shard], make: "partial[Scorer]", processes: int) -> Iterator[Done]:
    """Raises Refused when a process was killed, or when answers can not be written."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=start, initargs=(make,))
    try:
        waiting = {pool.submit(score, shard) for shard in itertools.islice(shards, AHEAD * processes)}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in ready:
                yield each.result()
            waiting |= {pool.submit(score, shard) for shard in itertools.islice(shards, len(ready))}
    except BrokenProcessPool:
        raise Refused(
            "a process was killed, by the system if memory ran out (then take fewer with --processes): nothing that is "
            "written is lost, the same command goes on from there"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def start(make: "partial[Scorer]") -> None:
    global _scorer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    threading.Thread(target=end_with_parent, daemon=True).start()
    _scorer = make()


def end_with_parent() -> None:
    """A parent that is killed says nothing, and its children would wait for it for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def score(shard: Shard) -> Done:
    return _scorer.score(shard)
