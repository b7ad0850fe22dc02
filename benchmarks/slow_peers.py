"""python -m benchmarks.slow_peers: a thousand clients that keep the service waiting, beside good ones.

A quarter each sends nothing, a head byte by byte, a body byte by byte, and reads nothing of a large answer. All are to
be gone in ten seconds, and the good ones are to be answered as if nobody else was there: requests of LeNet-5, by an
open loop. The same load without the slow ones is taken in turn with it. Exit status 1 where a gate is missed.

--control gives slow clients an hour: they must be found still there.
"""

import argparse
import math
import multiprocessing
import os
import socket
import time
from collections import deque
from contextlib import ExitStack, suppress
from multiprocessing.queues import Queue
from statistics import median
from urllib.parse import urlsplit

import uvloop

from benchmarks.affinity import CPUS, on
from benchmarks.bodies import digits
from benchmarks.gates import Gate, at_most, heading, verdict
from benchmarks.load import post
from benchmarks.openloop import Outcome, open_loop, percentile
from benchmarks.servers import Server, service, tree

RATE = 100  # good requests a second
SECONDS = 14  # of each slice
GONE_SECONDS = 10.0
TRICKLE, TURN = 1.0, 0.1  # seconds between two bytes of one client, and between two looks at all
SPARE = 16  # descriptors that the good ones may take meanwhile
LARGE = "/swagger/swagger-ui-bundle.js"
HEAD = b"GET /healthz HTTP/1.1\r\nhost: x\r\na: "
BODY = b"POST /v1/models/lenet5-mnist/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
UNREAD = f"GET {LARGE} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
BEGUN = (b"", HEAD, BODY, UNREAD)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what slow clients cost the others.")
    parser.add_argument("--peers", type=int, default=1000, help="slow ones (1000)")
    parser.add_argument("--slices", type=int, default=4, help="with them, and as many without (4)")
    parser.add_argument("--workers", type=int, default=1, help="of the service; more than one have all CPUs (1)")
    parser.add_argument("--control", action="store_true", help="against a service that waits for an hour")
    return parser.parse_args(arguments)


def be_slow(server: Server, count: int, seconds: float, gone: "Queue[float]") -> None:
    """In a process of its own, which also tells how long after the last was opened the service has closed them all:
    one that does not read would not see it."""
    os.nice(19)  # there may be no third CPU, and the good clients' requests are to leave when they are due
    parts = urlsplit(server.url)
    before = descriptors(server)
    with ExitStack() as opened:
        trickling = deque[socket.socket]()
        for at in range(count):
            connection = opened.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((parts.hostname, parts.port))
            begun = BEGUN[at % len(BEGUN)]
            connection.sendall(begun)
            connection.setblocking(False)
            if begun in (HEAD, BODY):
                trickling.append(connection)
        start = time.monotonic()
        took = math.inf
        for _ in range(int(seconds / TURN)):
            time.sleep(TURN)
            if took == math.inf and descriptors(server) <= before + SPARE:
                took = time.monotonic() - start
            for _ in range(int(len(trickling) * TURN / TRICKLE)):
                with suppress(OSError):
                    trickling[0].send(b"x")
                trickling.rotate()
    gone.put(took)


def descriptors(server: Server) -> int:
    """Open in all processes of the service."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in tree(server.pid))


def good(server: Server) -> list[Outcome]:
    workload = digits()
    url = f"{server.url}{workload.path}"
    requests = [post(url, body, workload.headers) for body in workload.bodies]
    return uvloop.run(open_loop(url, requests, [(RATE, SECONDS)], patience=10))


def beside_slow_ones(server: Server, count: int) -> tuple[list[Outcome], float]:
    processes = multiprocessing.get_context("spawn")
    gone = processes.Queue()
    slow = processes.Process(target=be_slow, args=(server, count, SECONDS, gone))
    slow.start()
    found = good(server)
    took = gone.get()
    slow.join()
    return found, took


def p99(outcomes: list[Outcome]) -> float:
    return percentile([each.seconds for each in outcomes], 0.99)


def show(what: str, outcomes: list[Outcome], gone: str) -> None:
    late = percentile([each.late for each in outcomes], 0.99)
    p50 = percentile([each.seconds for each in outcomes], 0.5)
    print(f"| {what} | {1e3 * p50:.2f} | {1e3 * p99(outcomes):.2f} | {1e3 * late:.2f} | {gone} |", flush=True)


def gates(took: list[float], without: list[list[Outcome]], beside: list[list[Outcome]]) -> list[Gate]:
    """Of slices that were taken in turn."""
    bad = sum(each.status != 200 for slice_ in (*without, *beside) for each in slice_)
    return [
        at_most("slow clients gone after, s", max(took), GONE_SECONDS),
        at_most("good requests not answered with 200", bad, 0),
        at_most(
            "p99 of good ones beside them, of without",
            median(p99(after) / p99(before) for before, after in zip(without, beside, strict=True)),
            1.2,
        ),
    ]


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    print(heading(f"{args.workers} workers, {args.peers} slow clients, {RATE} good requests a second"))
    print("| clients | p50 ms | p99 ms | generator late p99 ms | slow ones gone after s |\n" + "| --- " * 5 + "|")
    settings = {"receive_seconds": "3600", "keep_alive_seconds": "3600"} if args.control else {}
    without, beside, took = [], [], []
    alone = args.workers == 1
    with (
        on(CPUS[:1] if alone else CPUS),
        service(workers=args.workers, settings=settings) as server,
        on(CPUS[1:] if alone else CPUS),
    ):
        for _ in range(args.slices):
            without.append(good(server))
            show("good alone", without[-1], "-")
            found, gone = beside_slow_ones(server, args.peers)
            beside.append(found)
            took.append(gone)
            show("and slow ones", found, f"{gone:.1f}")
    return verdict(gates(took, without, beside))


if __name__ == "__main__":
    raise SystemExit(main())
