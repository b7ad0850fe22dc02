"""Ray beside what else runs on this machine: what it is told by its environment, and what it leaves behind."""

import os
import shlex
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.servers import ROOT, Server, free_port, running, tree

FILES = {
    "CONFIG_FILE_LOC": "haproxy.cfg",
    "SOCKET_PATH": "admin",
    "SERVER_STATE_BASE": "",
    "SERVER_STATE_FILE": "state",
    "METRICS_SOCKET_PATH": "metrics",
}


@contextmanager
def replica(python: Path, environ: dict[str, str]) -> Iterator[Server]:
    """One, on a Ray of its own."""
    with own_folder() as folder:
        port = free_port()
        ours = {"MAXPOOL_MODELS": str(ROOT / "models"), "MAXPOOL_ALLOW_ANONYMOUS": "1"}
        command = [str(python), "-m", "benchmarks.raynode", str(port)]
        below: set[int] = set()
        try:
            with running(command, port, answers=is_ready, environ={**environment(folder), **environ, **ours}) as server:
                time.sleep(2)  # its daemons have something to do at the start
                yield server
                below = tree(server.pid)
        finally:
            end_haproxy(below)


@contextmanager
def own_folder() -> Iterator[str]:
    """With a short name, as a socket's path may have 107 characters."""
    with TemporaryDirectory(prefix="mp", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


def of_nodes() -> dict[str, str]:
    """What deploy/ray/environment sets."""
    words = shlex.split((ROOT / "deploy/ray/environment").read_text(), comments=True)
    return dict(word.split("=", 1) for word in words)


def environment(folder: str) -> dict[str, str]:
    """Ray reads it when it is imported. Of several on a machine, none may find files or ports of another's HAProxy."""
    ports = {"METRICS_PORT": free_port(), "STATS_PORT": free_port()}
    return {
        **of_nodes(),
        **{f"RAY_SERVE_HAPROXY_{name}": f"{folder}/h/{file}" for name, file in FILES.items()},
        **{f"RAY_SERVE_HAPROXY_{name}": str(port) for name, port in ports.items()},
        "RAY_TMPDIR": folder,
        "PYTHONPATH": str(ROOT),
    }


def is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
    except OSError:
        return False
    return True


def end_haproxy(pids: set[int]) -> None:
    """It outlives the cluster that started it. `pids`: of the cluster's processes while it ran."""
    for pid in pids:
        try:
            if b"haproxy" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
