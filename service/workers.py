"""Worker processes: forked from one that has loaded and proven every model, so that they start at once and share its
memory; all accept on one socket. One that dies is replaced.

SIGTERM -> no new connections, what was accepted is answered -> all gone
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger("maxpool")
STOPS = (signal.SIGTERM, signal.SIGINT)
KILLED_AFTER = 5  # seconds beyond the grace that the server itself gives its requests
SHORT_LIFE = 1  # seconds: one that lives no longer is not replaced at once


def run_workers(
    serve: Callable[[list[socket.socket]], None], listener: socket.socket, *, count: int, grace: float
) -> None:
    """`serve` runs in each worker until SIGTERM. Returns when all have ended after a stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPS, signal.SIGCHLD})
    alive, held = os.pipe()  # a worker reads the end of `alive` when this process is gone, however it went
    born: dict[int, float] = {}

    def fork() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            live(serve, listener, alive)
        born[pid] = time.monotonic()

    for _ in range(count):
        fork()
    while signal.sigwait({*STOPS, signal.SIGCHLD}) not in STOPS:
        for pid in reap(born):
            log.error("worker %s ended; another takes its place", pid)
            if time.monotonic() - born.pop(pid) < SHORT_LIFE:
                time.sleep(SHORT_LIFE)
            fork()
    stop(born, grace)


def live(serve: Callable[[list[socket.socket]], None], listener: socket.socket, alive: int) -> None:
    """The whole life of a worker. What the first process would clean up at its end is not the worker's to clean up."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*STOPS, signal.SIGCHLD})
        threading.Thread(target=end_with, args=(alive,), daemon=True, name="orphan").start()
        serve([listener])
        status = 0
    except KeyboardInterrupt:  # uvicorn hands on the signal that stopped it
        status = 0
    except BaseException:
        log.exception("worker %s failed", os.getpid())
    finally:
        os._exit(status)


def end_with(alive: int) -> None:
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def reap(born: dict[int, float]) -> list[int]:
    return [pid for pid in born if os.waitpid(pid, os.WNOHANG)[0]]


def stop(born: dict[int, float], grace: float) -> None:
    for pid in born:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace + KILLED_AFTER
    left = set(born)
    while left and (wait := deadline - time.monotonic()) > 0:
        left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
        if left:
            signal.sigtimedwait({signal.SIGCHLD}, min(wait, 1))
    for pid in left:
        log.error("worker %s did not end in time and is killed", pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
