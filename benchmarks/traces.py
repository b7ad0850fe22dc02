"""What traces cost: none, a hundredth of the requests as by default, all of them, and a hundredth beside the log.

python -m benchmarks.traces
python -m benchmarks.traces --quick

As benchmarks.requestlog measures the log. The collector takes spans and forgets them, in a process of its own.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Value
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.load import generator
from benchmarks.requestlog import OFF, measure, table
from benchmarks.servers import NOWHERE, free_port

SHARE, ALL, LOGGED = "of 1 %", "of all", "of 1 %, and the log into a file"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what traces cost.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    parser.add_argument("--rounds", type=int, default=9, help="starts of each server (default: 9)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    seconds, rounds = (1.0, 1) if args.quick else (2.0, args.rounds)
    with TemporaryDirectory() as folder, collector() as (url, taken):
        traced = {"traces_endpoint": url}
        settings = {
            OFF: {},
            SHARE: traced,
            ALL: traced | {"traces_share": "1"},
            LOGGED: traced | {"request_log": "1"},
        }
        logs = {name: NOWHERE for name in settings} | {LOGGED: Path(folder) / "log"}
        found = measure(settings, logs, seconds=seconds, rounds=rounds)
        lines = table("traces", found)
    print("\n".join([*lines, "", f"{taken.value:,} bytes of spans were taken; load by {generator()}"]))
    return 0


@contextmanager
def collector() -> Iterator[tuple[str, Any]]:
    """Its URL, and the bytes that it has taken."""
    port, taken = free_port(), Value("q", 0)
    process = Process(target=collect, args=(port, taken), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}", taken
    finally:
        process.terminate()
        process.join()


def collect(port: int, taken: Any) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with taken.get_lock():
                taken.value += len(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    raise SystemExit(main())
