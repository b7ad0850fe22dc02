"""Two replicas behind nginx with deploy/nginx.conf.template, under load: in turn one is killed, one is stopped as an
upgrade does it, and comes back. No client sees any of it.

python -m benchmarks.replicas
python -m benchmarks.replicas --once    nginx asks no second replica, which must fail
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gates import Gate, heading, none_of, verdict
from benchmarks.kills import Callers
from benchmarks.servers import ROOT, START_SECONDS, free_port, is_up, running

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
TEMPLATE = ROOT / "deploy/nginx.conf.template"
ENDS = 6  # of a replica, half of them by SIGKILL
UP_SECONDS = 2.0  # both replicas, before the next is ended
TWICE = "proxy_next_upstream error timeout non_idempotent"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ends", type=int, default=ENDS)
    parser.add_argument("--once", action="store_true")
    args = parser.parse_args(arguments)
    print(heading(f"python -m benchmarks.replicas --ends {args.ends}"))
    return verdict(replicas(args.ends, once=args.once))


class Replica:
    def __init__(self) -> None:
        self.port = free_port()
        self._up = ExitStack()
        self._start()

    def _start(self) -> None:
        given = {"port": self.port, "grpc_port": 0, "workers": 1, "drain_seconds": 2}
        environ = {f"MAXPOOL_{name.upper()}": str(value) for name, value in given.items()}
        command = [sys.executable, "-m", "service"]
        self._pid = self._up.enter_context(running(command, self.port, answers=is_up, environ=environ)).pid

    def restart(self, by: signal.Signals) -> None:
        if by is signal.SIGKILL:
            os.kill(self._pid, by)
        self._up.close()
        self._start()

    def close(self) -> None:
        self._up.close()


@contextmanager
def proxy(ports: list[int], *, once: bool) -> Iterator[str]:
    """Its address."""
    if NGINX is None:
        raise SystemExit("there is no nginx: install it")
    listen = f"127.0.0.1:{free_port()}"
    servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in ports)
    with TemporaryDirectory() as folder:
        text = TEMPLATE.read_text().replace("${REPLICAS}", servers).replace("${LISTEN}", listen)
        if once:
            assert TWICE in text
            text = text.replace(TWICE, "proxy_next_upstream off")
        config = Path(folder) / "nginx.conf"
        config.write_text(text)
        options = f"daemon off; pid {folder}/pid; error_log /dev/null;"
        process = subprocess.Popen([NGINX, "-c", str(config), "-g", options], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not is_up(f"http://{listen}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("nginx did not start")
                time.sleep(0.05)
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait()


def replicas(ends: int, *, once: bool = False) -> list[Gate]:
    with ExitStack() as stack:
        two = [Replica(), Replica()]
        for replica in two:
            stack.callback(replica.close)
        url = stack.enter_context(proxy([replica.port for replica in two], once=once))
        callers = Callers(url)
        asyncio.run(under_load(callers, two, ends))
    callers.tell()
    return [none_of("requests that were not answered, or not rightly", callers.wrong)]


async def under_load(callers: Callers, two: list[Replica], ends: int) -> None:
    load = asyncio.create_task(callers.ask())
    for turn in range(ends):
        await asyncio.sleep(UP_SECONDS)
        by = (signal.SIGKILL, signal.SIGTERM)[turn % 2]
        await asyncio.to_thread(two[turn // 2 % 2].restart, by)
    callers.stop()
    await load


if __name__ == "__main__":
    raise SystemExit(main())
