"""What the machine can do without a server: ONNX Runtime alone, and the whole road of a request but for HTTP."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson

from benchmarks.bodies import Workload
from service.engine.rows import read_row, stack

BATCHES = (8, 16, 32)  # the best of them is the ceiling
LABELS = 5  # of an answer, as the service gives them unless asked


@dataclass(frozen=True)
class Alone:
    rate: float  # rows a second
    cpu: float  # microseconds a row


def open_session(graph: Path | bytes) -> ort.InferenceSession:
    """One thread a call: the fastest on every net, with a caller a CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    given = graph if isinstance(graph, bytes) else str(graph)
    return ort.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def alone(session: ort.InferenceSession, feeds: list[Any], *, callers: int, seconds: float) -> Alone:
    """ONNX Runtime on these batches, in turn, from so many threads at once."""
    name = session.get_inputs()[0].name
    rows = [0] * callers
    session.run(None, {name: feeds[0]})
    start, spent = time.monotonic(), time.process_time()

    def call(caller: int) -> None:
        turn = caller
        while time.monotonic() < start + seconds:
            feed = feeds[turn % len(feeds)]
            session.run(None, {name: feed})
            rows[caller] += len(feed)
            turn += 1

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Alone(sum(rows) / (time.monotonic() - start), (time.process_time() - spent) / sum(rows) * 1e6)


def median_seconds(call: Callable[[int], object], seconds: float) -> float:
    """Of one call after another; `call` is told which."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or not taken:
        start = time.perf_counter()
        call(len(taken))
        taken.append(time.perf_counter() - start)
    return median(taken)


def one_request(workload: Workload, session: ort.InferenceSession) -> Callable[[int], object]:
    """Decoding one body and running it: what a lone client has to wait for, whoever serves."""
    given, name = workload.spec.input, session.get_inputs()[0].name
    inputs = inputs_of(workload)
    return lambda turn: session.run(None, {name: stack([read_row(inputs[turn % len(inputs)], given).row])})


def inputs_of(workload: Workload) -> list[bytes | str]:
    if workload.spec.task == "sentence-classification":
        return [body.decode() for body in workload.bodies]
    return list(workload.bodies)


def pipeline(workload: Workload, session: ort.InferenceSession, *, seconds: float) -> float:
    """CPU microseconds a request of decoding, running in the best batch, ranking and JSON."""
    return min(batched(workload, session, batch, seconds / len(BATCHES)) for batch in BATCHES)


def batched(workload: Workload, session: ort.InferenceSession, batch: int, seconds: float) -> float:
    spec, name, inputs = workload.spec, session.get_inputs()[0].name, inputs_of(workload)
    done = 0
    end, spent = time.monotonic() + seconds, time.thread_time()
    while time.monotonic() < end or not done:
        rows = [read_row(inputs[(done + at) % len(inputs)], spec.input).row for at in range(batch)]
        for scores in session.run(None, {name: stack(rows)})[0]:
            best = np.argsort(-scores, kind="stable")[:LABELS].tolist()
            top = [{"label": spec.labels[at], "index": at, "score": float(scores[at])} for at in best]
            orjson.dumps({"model": spec.name, "version": spec.version, "predictions": [{**top[0], "top": top}]})
        done += batch
    return (time.thread_time() - spent) / done * 1e6
