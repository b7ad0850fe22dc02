"""gRPC as a part of the process: who answers, who may not start, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx2
import numpy as np
import pytest

from service.protocols.oip_messages import COMPILED
from tests.conftest import ROOT, children, eventually, free_port, serving, started, two_workers
from tests.service.metrics import counted
from tests.service.protocols.calls import Stub, pixels_in, request, scores
from tests.service.protocols.infer import RED_BLUE
from tests.service.slow import write_slow

ASKED = request(model_name="colour", **pixels_in(RED_BLUE)).SerializeToString()
ALONE = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each channel


@contextmanager
def connected(port: int, count: int = 1) -> Iterator[list[Stub]]:
    with ExitStack() as opened:
        channels = [opened.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", ALONE)) for _ in range(count)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(timeout=30)
        yield [Stub(channel) for channel in channels]


def code_of(call: grpc.Future) -> grpc.StatusCode:
    call.exception()
    code: grpc.StatusCode = call.code()
    return code


def test_every_worker_answers(tiny_models: Path) -> None:
    port = free_port()
    with (
        two_workers(tiny_models, MAXPOOL_GRPC_PORT=str(port)) as (pid, _),
        ThreadPoolExecutor(16) as callers,
        ExitStack() as stack,
    ):
        eventually(lambda: len(children(pid)) == 2 and all(listens(worker, port) for worker in children(pid)))
        stubs = stack.enter_context(connected(port, 16))
        for stub in stubs:  # so that both workers have read what a new connection sends first
            assert stub.ServerLive().live
        answered = []
        for worker in sorted(children(pid)):
            os.kill(worker, signal.SIGSTOP)
            calls = [stub.raw("ModelInfer").future(ASKED, timeout=3) for stub in stubs]
            answered.append([code is grpc.StatusCode.OK for code in callers.map(code_of, calls)])
            os.kill(worker, signal.SIGCONT)
    first, second = answered
    assert [not each for each in first] == second
    assert any(first)
    assert any(second)


def listens(pid: int, port: int) -> bool:
    lines = [line for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    rows = [line.split() for line in lines]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    return any(os.readlink(file) in sockets for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink())


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_under_way_at_the_stop_are_answered(tiny_models: Path, workers: int) -> None:
    port = free_port()
    with (
        started(tiny_models, workers=workers, MAXPOOL_GRPC_PORT=str(port)) as (pid, _),
        connected(port, 8) as stubs,
    ):
        for stub in stubs:
            assert stub.ServerLive().live
        stopped = children(pid) if workers > 1 else {pid}
        for each in stopped:
            os.kill(each, signal.SIGSTOP)
        calls = [stub.raw("ModelInfer").future(ASKED, timeout=30) for stub in stubs for _ in range(3)]
        time.sleep(0.5)  # for all of them to be sent
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        for each in stopped:
            os.kill(each, signal.SIGCONT)
        assert {(code_of(call), call.details()) for call in calls} == {(grpc.StatusCode.OK, "")}


def test_a_stream_that_is_open_at_the_stop_ends_at_once_with_the_reason(tiny_models: Path) -> None:
    port = free_port()
    with two_workers(tiny_models, MAXPOOL_GRPC_PORT=str(port)) as (pid, _), connected(port) as (stub,):
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield request(model_name="colour", **pixels_in(RED_BLUE))
            over.wait(60)

        answers = stub.stream(requests())
        assert scores(next(answers).infer_response).shape == (2, 3)
        os.kill(pid, signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        over.set()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "being stopped" in ended.value.details()


def test_a_port_that_is_taken_refuses_to_start(tiny_models: Path) -> None:
    port = free_port()
    environ = {**os.environ, "MAXPOOL_MODELS": str(tiny_models), "MAXPOOL_GRPC_PORT": str(port)}
    command = [sys.executable, "-m", "service"]

    def refused() -> None:
        environ["MAXPOOL_PORT"] = str(free_port())
        ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert f"MAXPOOL_GRPC_PORT is {port}" in ended.stderr
        assert "Traceback" not in ended.stderr

    with socket.create_server(("127.0.0.1", port)):
        refused()
    for workers in (1, 2):  # another service of the same user
        with serving(models=tiny_models, workers=workers, grpc_port=port), connected(port) as (stub,):
            refused()
            assert stub.ServerLive().live


def test_a_full_queue_says_when_to_come_again(tiny_models: Path) -> None:
    port = free_port()
    with (
        serving(models=tiny_models, workers=1, queue_rows=2, grpc_port=port),
        connected(port, 8) as stubs,
    ):
        calls = [stub.raw("ModelInfer").future(ASKED, timeout=30) for stub in stubs for _ in range(50)]
        codes = [code_of(call) for call in calls]
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    late = calls[codes.index(grpc.StatusCode.UNAVAILABLE)]
    assert "queue is full" in late.details()
    assert ("grpc-retry-pushback-ms", "1000") in [tuple(each) for each in late.trailing_metadata()]


def test_deadlines_and_clients_that_went_away(tmp_path: Path) -> None:
    """A model that takes a good part of a second a row."""
    write_slow(tmp_path / "slow" / "1")
    port = free_port()
    fields = {"model_name": "slow", **pixels_in(RED_BLUE[:1])}
    with serving(models=tmp_path, workers=1, grpc_port=port) as url, connected(port) as (stub,):
        assert scores(stub.ModelInfer(**fields)).argmax() == 0
        with pytest.raises(grpc.RpcError) as late:
            stub.ModelInfer(**fields, parameters={"timeout": {"int64_param": 30_000}})
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        calls = [stub.raw("ModelInfer").future(request(**fields).SerializeToString()) for _ in range(20)]
        time.sleep(0.1)
        for call in calls:
            call.cancel()
        eventually(lambda: counted(url, "maxpool_cancelled_total") >= 12)  # the others were in the lanes


def test_a_call_that_is_run_at_the_stop_is_answered(tmp_path: Path) -> None:
    write_slow(tmp_path / "slow" / "1")
    port = free_port()
    with started(tmp_path, workers=1, MAXPOOL_GRPC_PORT=str(port)) as (pid, _), connected(port) as (stub,):
        call = stub.raw("ModelInfer").future(
            request(model_name="slow", **pixels_in(np.tile(RED_BLUE, (3, 1, 1, 1)))).SerializeToString(), timeout=60
        )
        time.sleep(0.2)  # well under way, and longer than the server refuses before it ends
        os.kill(pid, signal.SIGTERM)
        assert code_of(call) is grpc.StatusCode.OK


def test_without_a_port_the_library_is_not_even_there(tiny_models: Path) -> None:
    with serving(models=tiny_models, workers=1, grpc_port=0) as url:
        assert httpx2.get(f"{url}/healthz").status_code == 200
        (line,) = [line for line in processes() if f"MAXPOOL_PORT={url.rpartition(':')[2]}" in line]
        assert "cygrpc" not in Path(f"/proc/{line.split()[0]}/maps").read_text()


def processes() -> Iterator[str]:
    """Process id and environment of each that can be read."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield f"{path.parent.name} {path.read_text()}"
        except (OSError, UnicodeDecodeError):
            continue


def test_the_compiled_messages_are_those_of_the_proto(tmp_path: Path) -> None:
    """`make proto` makes them."""
    compiled = tmp_path / "oip.binpb"
    protoc = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", "-I", str(COMPILED.parent)]
    subprocess.run([*protoc, f"--descriptor_set_out={compiled}", "oip.proto"], check=True)
    assert compiled.read_bytes() == COMPILED.read_bytes()
