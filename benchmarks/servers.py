"""Servers to be measured: started as a user starts them, with the CPU time and the memory of all their processes.

Read from /proc, so on Linux only.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOWHERE = Path(os.devnull)
MIB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120.0
SERVICE = (sys.executable, "-m", "service")
FEW = ("sh", "-c", 'ulimit -n 100 && exec "$@"', "sh")  # descriptors: before a command
SETTLED = 0.3  # seconds in which a server that is ready spends no CPU time


@dataclass(frozen=True)
class Server:
    url: str
    pid: int
    grpc_port: int = 0  # none

    def cpu_seconds(self) -> float:
        """User and system time of the process and of all below it."""
        return sum(cpu_seconds(pid) for pid in tree(self.pid))

    def memory(self) -> int:
        """Bytes, each page that several processes share counted once (PSS)."""
        return sum(proportional_set_size(pid) for pid in tree(self.pid))

    def anonymous(self) -> int:
        """Bytes that its processes have to themselves, each page that several of them share counted once: of no file,
        whose pages other programs have a share in."""
        return sum(proportional_set_size(pid, "Pss_Anon") for pid in tree(self.pid))

    def resident(self) -> int:
        """Bytes, each page that several processes have from a fork or a file counted once for each of them (RSS). Not
        the memory that was made to be shared, whose size is fixed (RssShmem)."""
        return sum(resident_set_size(pid) for pid in tree(self.pid))

    def descriptors(self) -> int:
        """Open files and connections of all its processes."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in tree(self.pid))

    def processes(self) -> int:
        return len(tree(self.pid))


def stat(pid: int) -> list[str] | None:
    """The fields of proc(5)'s stat after the name; None for a process that has just ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None


def tree(root: int) -> set[int]:
    """The process ids of `root` and of all below it."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and (fields := stat(int(path.name))):
            parents[int(path.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pid: int) -> float:
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def proportional_set_size(pid: int, kind: str = "Pss") -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def resident_set_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssFile:")))


@contextmanager
def running(
    command: list[str], port: int, *, answers: Callable[[str], bool], environ: dict[str, str], log: Path = NOWHERE
) -> Iterator[Server]:
    """Ready when `answers(url)` holds and all its processes have come to rest."""
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAXPOOL_")}
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**inherited, **environ}, stdout=subprocess.DEVNULL, stderr=stderr
        )
    try:
        server = Server(url, process.pid, int(environ.get("MAXPOOL_GRPC_PORT", "0")))
        deadline = time.monotonic() + START_SECONDS
        while not answers(url):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not answer in {START_SECONDS:.0f} s")
            time.sleep(0.01)
        yield server
    finally:
        process.terminate()
        process.wait()


def exit_status(pid: int) -> int:
    """Of a child of this process, when it has ended; whoever started it finds it gone."""
    waited = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert waited is not None
    return waited.si_status if waited.si_code == os.CLD_EXITED else -waited.si_status


def settle(server: Server) -> None:
    """Wait until the other workers are up, too."""
    before = -1.0
    while (now := server.cpu_seconds()) > before:
        before = now
        time.sleep(SETTLED)


def service(
    *,
    workers: int,
    models: Path = ROOT / "models",
    settings: dict[str, str] | None = None,
    log: Path = NOWHERE,
    command: tuple[str, ...] = SERVICE,
) -> AbstractContextManager[Server]:
    """`python -m service`, all else as it is by default but for these MAXPOOL_ settings."""
    port = free_port()
    given = {"port": port, "grpc_port": free_port(), "workers": workers, "models": models, "drain_seconds": 0}
    environ = {f"MAXPOOL_{name.upper()}": str(value) for name, value in (given | (settings or {})).items()}
    return ready([*command], port, environ, log)


def faulty(
    fault: str, *, models: Path = ROOT / "models", settings: dict[str, str] | None = None
) -> AbstractContextManager[Server]:
    """The service in one process, with a fault of benchmarks.faulty: what a gate must find."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", f"benchmarks.faulty:{fault}"]
    given = {"workers": 1, "models": models, **(settings or {})}
    environ = {f"MAXPOOL_{name.upper()}": str(value) for name, value in given.items()}
    return ready([*command, "--port", str(port), "--no-access-log"], port, environ)


def echo(*, workers: int) -> AbstractContextManager[Server]:
    """The bare application, in the same server with the same options."""
    port = free_port()
    options = ["--port", str(port), "--workers", str(workers), "--loop", "uvloop", "--http", "httptools"]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.echo:echo",
        *options,
        "--no-access-log",
        "--no-server-header",
    ]
    return ready(command, port, {})


@contextmanager
def ready(command: list[str], port: int, environ: dict[str, str], log: Path = NOWHERE) -> Iterator[Server]:
    with running(command, port, answers=is_up, environ=environ, log=log) as server:
        settle(server)
        yield server


def is_up(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
