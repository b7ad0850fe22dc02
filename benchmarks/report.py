"""python -m benchmarks.report: our service against the ceilings of this machine, in one run; a table of ratios.

Everything shares the machine with the load generator, so the ratios count and the numbers a second do not.
"""

import os
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.ceiling import raw_latency, raw_rate
from benchmarks.load import Load, measure

ROOT = Path(__file__).parent.parent
SECONDS = 8.0
WORKERS = max(2, min(4, len(os.sched_getaffinity(0))))


@dataclass(frozen=True)
class Workload:
    title: str
    model: str
    bodies: list[bytes]
    content_type: str
    rows: Any  # what the graph takes, for the ceiling
    batch: int  # the best one for ONNX Runtime alone


def workloads() -> list[Workload]:
    digits = sorted((ROOT / "models/lenet5-mnist/1/golden").glob("*.png"))
    pictures = [np.asarray(Image.open(path).convert("L"))[:, :, np.newaxis] for path in digits]
    sentence = "a film so warm and clever that one forgives its many slow and rather silly turns in the last act"
    sentences = [" ".join(sentence.split()[: 12 + turn % 9]) for turn in range(64)]
    return [
        Workload(
            "LeNet-5, PNG",
            "lenet5-mnist",
            [path.read_bytes() for path in digits],
            "image/png",
            np.stack([pictures[turn % len(pictures)] for turn in range(64)]),
            16,
        ),
        Workload(
            "sentence CNN, text",
            "textcnn-mr",
            [sentence.encode() for sentence in sentences],
            "text/plain",
            np.array(sentences, dtype=object),
            1,
        ),
    ]


@contextmanager
def running(command: list[str], url: str, **environ: str) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stderr=subprocess.DEVNULL)
    try:
        while not answers(url):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def measure_all(url: str, workload: Workload) -> tuple[Load, Load]:
    """64 connections, then one."""
    many = measure(url, workload.bodies, workload.content_type, connections=64, seconds=SECONDS)
    one = measure(url, workload.bodies, workload.content_type, connections=1, seconds=SECONDS / 2)
    if many.failures or one.failures:
        raise SystemExit(f"{url}: {many.failures + one.failures} requests failed, so nothing was measured")
    return many, one


def main() -> int:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    todo = workloads()
    uvicorn = ["uvicorn", "benchmarks.ceiling:echo", "--port", str(port), "--workers", str(WORKERS), "--no-access-log"]
    with running([sys.executable, "-m", *uvicorn, "--loop", "uvloop", "--http", "httptools"], base):
        echoes = [measure_all(f"{base}/echo", workload) for workload in todo]
    service = {"MAXPOOL_PORT": str(port), "MAXPOOL_WORKERS": str(WORKERS), "MAXPOOL_LOG_LEVEL": "error"}
    with running([sys.executable, "-m", "service"], f"{base}/healthz", **service):
        ours = [measure_all(f"{base}/v1/models/{workload.model}/predict", workload) for workload in todo]
    print(f"{platform.machine()}, {WORKERS} workers, {SECONDS:.0f} s a run, load generator on the same CPUs\n")
    print("| | ONNX Runtime alone /s | bare echo /s | Maxpool /s | of echo | of ONNX Runtime | p99 / p50 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lone = []
    for workload, (echo, echo_one), (many, one) in zip(todo, echoes, ours, strict=True):
        graph = ROOT / "models" / workload.model / "1" / "model.onnx"
        raw = raw_rate(graph, workload.rows, callers=WORKERS, batch=workload.batch, seconds=SECONDS / 2)
        rates = (raw, echo.requests_per_second, many.requests_per_second)
        print(
            f"| {workload.title}, 64 connections | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[2]:,.0f} "
            f"| {rates[2] / rates[1]:.2f} | {rates[2] / rates[0]:.2f} | {many.p99 / many.p50:.1f} |"
        )
        alone = raw_latency(graph, workload.rows[:1])
        lone.append((workload.title, alone, echo_one.p50, one.p50))
    print("\n| one connection | run alone ms | echo ms | Maxpool p50 ms | Maxpool over run + echo |")
    print("| --- | --- | --- | --- | --- |")
    for title, alone, echo_p50, p50 in lone:
        ratio = p50 / (alone + echo_p50)
        print(f"| {title} | {alone * 1e3:.2f} | {echo_p50 * 1e3:.2f} | {p50 * 1e3:.2f} | {ratio:.1f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
