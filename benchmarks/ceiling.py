"""What the machine can do at most: ONNX Runtime alone, and HTTP alone."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort


def raw_rate(graph: Path, rows: Any, *, callers: int, batch: int, seconds: float) -> float:
    """Rows a second of one shared session, one thread a caller, no server."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    batches = [rows[at : at + batch] for at in range(0, len(rows) - batch + 1, batch)]
    return rate(lambda turn: session.run(None, {name: batches[turn % len(batches)]}), callers, seconds) * batch


def rate(call: Callable[[int], object], callers: int, seconds: float) -> float:
    """Calls a second, after a warm-up."""
    counts = [0] * callers
    end = time.monotonic() + seconds

    def caller(number: int) -> None:
        while time.monotonic() < end:
            call(counts[number] + number)
            counts[number] += 1

    for turn in range(20):
        call(turn)
    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def raw_latency(graph: Path, row: Any, runs: int = 300) -> float:
    """Median seconds of one row."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(None, {name: row})
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """A bare ASGI application: the body read, as many bytes as our answer sent. Any server feature costs more."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    answer = b"x" * 400
    headers = [(b"content-type", b"application/json"), (b"content-length", b"400")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
