"""What the service promises, each as a ratio of two figures of one run: against a bare echo, or ONNX Runtime alone."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bodies import Workload, digits, photos, sentences, tensors
from benchmarks.ceiling import Alone, alone, median_seconds, one_request, open_session, pipeline
from benchmarks.graphs import int8_model, plain_text_graph, random_model, word_ids
from benchmarks.servers import ROOT, Server, echo, free_port, running, service, settle
from benchmarks.slices import Pace, Run, Slice, in_turn, measure, ratio

WORKERS = 2
CACHE = ROOT / "runs/benchmarks/resnet50"  # made once


@dataclass(frozen=True)
class Target:
    what: str
    found: float
    bound: float
    at_most: bool = False
    by_cpu: float | None = None  # the same ratio by CPU time a request, which a busy machine moves less

    @property
    def met(self) -> bool:
        return self.found <= self.bound if self.at_most else self.found >= self.bound


@dataclass
class Findings:
    targets: list[Target] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    alone: list[tuple[str, float, float]] = field(default_factory=list)  # what, rows a second, CPU microseconds a row
    notes: list[str] = field(default_factory=list)


def measure_digits(bare: Server, ours: Server, pace: Pace, found: Findings) -> None:
    workload = digits()
    echoed, served = loaded({"bare echo": bare, "Maxpool": ours}, workload, 64, pace, found)
    piped = pipeline(workload, open_session(workload.model / "model.onnx"), seconds=pace.seconds)
    found.alone.append((f"{workload.title}: decode, best batch, ranking, JSON", 1e6 / piped, piped))
    efficiency = median((e.cpu + piped) / s.cpu for e, s in zip(echoed.slices, served.slices, strict=True))
    found.targets += [
        Target(
            "LeNet-5 PNG, 64 connections: requests a second over the bare echo",
            ratio([each.load.rate for each in served.slices], [each.load.rate for each in echoed.slices]),
            0.25,
            by_cpu=ratio([each.cpu for each in echoed.slices], [each.cpu for each in served.slices]),
        ),
        Target("LeNet-5 PNG: CPU time of echo + pipeline over ours", efficiency, 0.70),
        Target("LeNet-5 PNG: p99 over p50", served.tail, 2.2, at_most=True),
    ]


def measure_photos(pace: Pace, found: Findings) -> None:
    """ResNet-50 of random weights, in fp32 and in int8."""
    source = random_model("resnet50", "torchvision", 1000, models=CACHE, name="resnet50")
    kinds = (("fp32", source, 0.93), ("int8", int8_model(source, name="resnet50-int8"), 0.90))
    with service(workers=WORKERS, models=CACHE) as server:
        for kind, folder, bound in kinds:
            workload = photos(folder)
            rows = workload.rows()
            feeds = [rows[at : at + 1] for at in range(len(rows))]  # on one thread no batch is faster than single rows
            raw = partial(alone, open_session(folder / "model.onnx"), feeds, callers=WORKERS, seconds=pace.seconds)
            what = f"ResNet-50 {kind} JPEG, 16 connections: requests a second over ONNX Runtime"
            run = against_alone(server, workload, 16, raw, f"ResNet-50 {kind}: ONNX Runtime", what, bound, pace, found)
            found.targets.append(Target(f"ResNet-50 {kind} JPEG: p99 over p50", run.tail, 1.1, at_most=True))


def measure_sentences(ours: Server, pace: Pace, found: Findings) -> None:
    workload = sentences()
    session = open_session(plain_text_graph(workload.model))
    by_length: dict[int, list[Any]] = {}
    for ids in word_ids(workload.model, workload.rows()):
        by_length.setdefault(ids.shape[1], []).append(ids)
    batches = [np.concatenate(each) for each in by_length.values()]  # of like length: nothing is padded
    raw = partial(alone, session, batches, callers=WORKERS, seconds=pace.seconds)
    what = f"{workload.title}: ONNX Runtime, plain graph from word ids, batches of one length"
    target = "Sentences, 64 connections: requests a second over ONNX Runtime on the plain graph"
    against_alone(ours, workload, 64, raw, what, target, 1.25, pace, found)


def against_alone(
    server: Server,
    workload: Workload,
    connections: int,
    raw: Callable[[], Alone],
    what: str,
    target: str,
    bound: float,
    pace: Pace,
    found: Findings,
) -> Run:
    """Our requests a second over the rows a second of ONNX Runtime alone, slice by slice."""
    load = partial(measure, server, workload, connections=connections, seconds=pace.seconds)
    load()
    pairs = [(raw(), load()) for _ in range(pace.slices)]
    run = Run("Maxpool", workload.title, connections, tuple(taken for _, taken in pairs))
    found.runs.append(run)
    found.alone.append((what, median(a.rate for a, _ in pairs), median(a.cpu for a, _ in pairs)))
    of_rate = median(taken.load.rate / a.rate for a, taken in pairs)
    of_cpu = median(a.cpu / taken.cpu for a, taken in pairs)
    found.targets.append(Target(target, of_rate, bound, by_cpu=of_cpu))
    return run


def measure_lone(bare: Server, ours: Server, workload: Workload, pace: Pace, found: Findings) -> None:
    session = open_session(workload.model / "model.onnx")
    work = partial(median_seconds, one_request(workload, session), pace.seconds / 3)
    echoed, served = loaded({"bare echo": bare, "Maxpool": ours}, workload, 1, pace, found)
    least = median(e.load.p50 + work() for e in echoed.slices)
    found.targets.append(
        Target(f"{workload.title}, one client: p50 over decode + run + echo", served.p50 / least, 1.3, at_most=True)
    )


def measure_tensors(ours: Server, pace: Pace, found: Findings) -> None:
    raw = digits()
    binary = tensors(raw)
    if not is_served(ours, binary):
        found.notes.append(f"Binary tensors: not served ({binary.path} answers 404).")
        return
    calls = [partial(measure, ours, each, connections=64, seconds=pace.seconds) for each in (raw, binary)]
    calls[1]()
    pictures, rows = in_turn(calls, pace.slices)
    found.runs.append(Run("Maxpool", binary.title, 64, rows))
    faster = ratio([each.load.rate for each in rows], [each.load.rate for each in pictures])
    cheaper = ratio([each.cpu for each in rows], [each.cpu for each in pictures])
    found.notes.append(
        f"Binary tensors: {faster:.2f} times the requests a second of the raw PNG route, {cheaper:.2f} of its CPU time."
    )


def is_served(server: Server, workload: Workload) -> bool:
    request = urllib.request.Request(f"{server.url}{workload.path}", workload.bodies[0], dict(workload.headers))
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise
    return True


def measure_start(times: int, found: Findings) -> None:
    """From the start of the process with the committed models to the first right answer, and its memory."""
    took, memory = [], []
    for _ in range(times):
        port = free_port()
        ports = {"MAXPOOL_PORT": str(port), "MAXPOOL_GRPC_PORT": str(free_port())}
        environ = {**ports, "MAXPOOL_WORKERS": str(WORKERS), "MAXPOOL_DRAIN_SECONDS": "0"}
        start = time.monotonic()
        with running([sys.executable, "-m", "service"], port, answers=is_right, environ=environ) as server:
            took.append(time.monotonic() - start)
            settle(server)
            memory.append(server.memory())
    found.notes += [
        f"First correct answer {median(took):.2f} s after the start of the process, at best {min(took):.2f} s.",
        f"Memory of the parent and {WORKERS} workers with the committed models: {median(memory) / 1e6:.0f} MB (PSS).",
    ]


def is_right(url: str) -> bool:
    body = (ROOT / "models/lenet5-mnist/1/golden/digit-3.png").read_bytes()
    request = urllib.request.Request(
        f"{url}/v1/models/lenet5-mnist/predict", body, {"content-type": "image/png", "connection": "close"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(json.load(answer)["predictions"][0]["label"] == "3")
    except OSError:
        return False


def loaded(
    servers: dict[str, Server], workload: Workload, connections: int, pace: Pace, found: Findings
) -> tuple[Run, ...]:
    """A run of each, slice by slice in turn, after one slice of warming up."""
    calls: list[Callable[[], Slice]] = [
        partial(measure, server, workload, connections=connections, seconds=pace.seconds) for server in servers.values()
    ]
    for call in calls:
        call()
    taken = in_turn(calls, pace.slices)
    runs = tuple(Run(name, workload.title, connections, slices) for name, slices in zip(servers, taken, strict=True))
    found.runs += runs
    return runs


def measure_all(pace: Pace, *, large: bool) -> Findings:
    """`large`: with ResNet-50, whose models take a minute to make the first time."""
    found = Findings()
    measure_start(min(3, pace.slices), found)
    with echo(workers=WORKERS) as bare, service(workers=WORKERS) as ours:
        measure_digits(bare, ours, pace, found)
        measure_sentences(ours, pace, found)
        for workload in (digits(), sentences()):
            measure_lone(bare, ours, workload, pace.slower(0.7), found)
        measure_tensors(ours, pace, found)
    if large:
        measure_photos(pace.slower(4), found)
    return found
