"""Where the CPU time of a request goes, stage by stage.

python -m benchmarks.stages
python -m benchmarks.stages --quick
python -m benchmarks.stages --profile lenet5-mnist      the whole application in this process, by function

64 requests at a time, as one worker has them under load. What can be called alone is timed alone, the rest is told by
differences: a stage that runs alone has warm caches, so the last line is what they cost when the stages take turns.
"""

import argparse
import asyncio
import cProfile
import gc
import pstats
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import uvloop
from fastapi import FastAPI

from benchmarks.bodies import Workload, digits, sentences
from benchmarks.ceiling import inputs_of, open_session
from benchmarks.load import generator
from benchmarks.servers import ROOT, echo, service
from benchmarks.slices import FULL, QUICK, Pace, in_turn, measure
from service.app import create_app
from service.engine.model import Model
from service.engine.registry import Registry
from service.engine.rows import read_row, stack
from service.engine.schedule import within
from service.images import MAX_PIXELS
from service.metrics import Metrics
from service.protocols.native import TOP_K, show
from service.settings import Settings

AT_ONCE = 64
BATCH = 16
FUNCTIONS = 40  # lines of a profile


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Where the CPU time of a request goes.")
    parser.add_argument("--quick", action="store_true", help="see that it works, not how fast")
    parser.add_argument("--profile", metavar="MODEL", help="print the functions that take most of the time")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    pace = QUICK if args.quick else FULL
    workloads = {each.model.parent.name: each for each in (digits(), sentences())}
    if args.profile:
        if args.profile not in workloads:
            raise SystemExit(f"no workload is called {args.profile}: expected {' or '.join(workloads)}")
        profile(workloads[args.profile], pace.seconds * pace.slices)
        return 0
    print(f"CPU microseconds a request, {AT_ONCE} at once, one worker; load by {generator()}.")
    for workload in workloads.values():
        print(f"\n| {workload.title} | µs |\n| --- | --- |")
        for stage, cost in stages(workload, pace):
            print(f"| {stage} | {cost:.1f} |")
    return 0


def stages(workload: Workload, pace: Pace) -> list[tuple[str, float]]:
    with echo(workers=1) as bare, service(workers=1) as ours:
        calls = [
            partial(measure, server, workload, connections=AT_ONCE, seconds=pace.seconds) for server in (bare, ours)
        ]
        echoed, served = in_turn(calls, pace.slices)
    http, whole = (min(each.cpu for each in taken) for taken in (echoed, served))
    application = on_loop(in_application, workload, pace.seconds)
    engine = on_loop(in_engine, workload, pace.seconds)
    parts = alone(workload, pace.seconds / 4)
    queue = engine - sum(parts[each] for each in ("decode", "run", "rank"))
    return [
        ("HTTP (the bare echo)", http),
        ("routes, metrics and body (by difference)", application - engine - parts["JSON"]),
        ("decode", parts["decode"]),
        ("queue, futures and the engine's metrics (by difference)", queue),
        (f"run, batches of {BATCH}", parts["run"]),
        ("rank", parts["rank"]),
        ("JSON", parts["JSON"]),
        ("sum", http + application),
        ("the service", whole),
        ("colder caches, waiting, several processes' metrics (the service - sum)", whole - http - application),
    ]


def alone(workload: Workload, seconds: float) -> dict[str, float]:
    """Each stage by itself, microseconds a request."""
    spec, inputs, session = workload.spec, inputs_of(workload), open_session(workload.model / "model.onnx")
    name, rows = session.get_inputs()[0].name, list(workload.rows())
    batch = stack([rows[at % len(rows)] for at in range(BATCH)])
    model = load(workload)
    scores = session.run(None, {name: batch})[0][0]
    predicted = asyncio.run(model.predict(inputs[:1], within(60))).answers[0]
    assert not isinstance(predicted, Exception)
    document = {"model": spec.name, "version": spec.version}
    return {
        "decode": timed(lambda turn: read_row(inputs[turn % len(inputs)], spec.input), seconds),
        "run": timed(lambda turn: session.run(None, {name: batch}), seconds) / BATCH,
        "rank": timed(lambda turn: model.rank(scores, TOP_K), seconds),
        "JSON": timed(lambda turn: orjson.dumps({**document, "predictions": [show(model, predicted, TOP_K)]}), seconds),
    }


def timed(call: Callable[[int], object], seconds: float) -> float:
    """CPU microseconds a call."""
    done = 0
    end, spent = time.monotonic() + seconds, time.thread_time()
    while time.monotonic() < end or not done:
        for turn in range(32):
            call(done + turn)
        done += 32
    return (time.thread_time() - spent) / done * 1e6


def load(workload: Workload) -> Model:
    registry = Registry(cpus=1, provider="cpu", queue_rows=1024, max_pixels=MAX_PIXELS, metrics=Metrics())
    registry.load(ROOT / "models")
    return registry.find(workload.model.parent.name, None)


def on_loop(road: Callable[[Workload, float], Awaitable[float]], workload: Workload, seconds: float) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(as_coroutine(road(workload, seconds)))


async def as_coroutine(road: Awaitable[float]) -> float:
    return await road


async def in_engine(workload: Workload, seconds: float) -> float:
    model, inputs = load(workload), inputs_of(workload)
    return await repeated(lambda turn: model.predict([inputs[turn % len(inputs)]], within(60)), seconds)


async def in_application(workload: Workload, seconds: float) -> float:
    """Everything but the server: an ASGI call in, an answer out."""
    app = create_app(Settings(models=ROOT / "models", workers=1))
    async with app.router.lifespan_context(app):
        return await repeated(partial(ask, app, workload, workload.path), seconds)


async def ask(app: FastAPI, workload: Workload, path: str, turn: int) -> None:
    body = workload.bodies[turn % len(workload.bodies)]
    headers = [(name.encode(), value.encode()) for name, value in workload.headers.items()]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-length", b"%d" % len(body))],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    await app(scope, receive, send)


async def repeated(call: Callable[[int], Awaitable[object]], seconds: float) -> float:
    """CPU microseconds of one of AT_ONCE calls that are under way together."""
    gc.collect()
    gc.freeze()
    counts = [0] * AT_ONCE
    end, spent = time.monotonic() + seconds, time.process_time()

    async def caller(number: int) -> None:
        while time.monotonic() < end:
            await call(number + counts[number])
            counts[number] += 1
            await asyncio.sleep(0)  # a request of the network comes with the next turn of the loop

    await asyncio.gather(*(caller(number) for number in range(AT_ONCE)))
    return (time.process_time() - spent) / sum(counts) * 1e6


async def in_profiler(profiler: cProfile.Profile, workload: Workload, seconds: float) -> float:
    app = create_app(Settings(models=ROOT / "models", workers=1))
    async with app.router.lifespan_context(app):
        with profiler:
            return await repeated(partial(ask, app, workload, workload.path), seconds)


def profile(workload: Workload, seconds: float) -> None:
    """The profiler triples the time of small Python functions: believe the order, not the figures."""
    profiler = cProfile.Profile()
    on_loop(partial(in_profiler, profiler), workload, seconds)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(FUNCTIONS)


if __name__ == "__main__":
    raise SystemExit(main())
