"""A model that takes a good part of a second a row: who can not be answered in time is told so, and costs nothing."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import httpx2
import numpy as np
import pytest
from onnx import helper as onnx_helper
from onnx import numpy_helper

from tests.conftest import COLOURS, colour_graph, eventually, plain, serving, softmax, write_model

SIDE, PRODUCTS = 1024, 12  # of square matrices; about 0.3 s on one thread
ROAD = "/v1/models/slow/predict"


def write_slow(folder: Path) -> None:
    """The brightest colour again, after matrix products that add nothing to the answer."""
    model = colour_graph()
    graph = model.graph
    logits = graph.node[-1].input[0]
    nodes = [
        onnx_helper.make_node("ReduceMean", [logits, "columns"], ["seed"], keepdims=1),
        onnx_helper.make_node("Unsqueeze", ["seed", "columns"], ["seeds"]),
        onnx_helper.make_node("Add", ["seeds", "matrix"], ["product 0"]),  # N x 1024 x 1024
        *(
            onnx_helper.make_node("MatMul", [f"product {at}", "matrix"], [f"product {at + 1}"])
            for at in range(PRODUCTS)
        ),
        onnx_helper.make_node("ReduceMax", [f"product {PRODUCTS}", "sides"], ["most"], keepdims=0),
        onnx_helper.make_node("Mul", ["most", "nothing"], ["naught"]),
        onnx_helper.make_node("Unsqueeze", ["naught", "columns"], ["naughts"]),
        onnx_helper.make_node("Add", [logits, "naughts"], ["slow logits"]),
    ]
    graph.node[-1].input[0] = "slow logits"
    last = graph.node.pop()
    graph.node.extend([*nodes, last])
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.eye(SIDE, dtype=np.float32), "matrix"),
            numpy_helper.from_array(np.array([1], np.int64), "columns"),
            numpy_helper.from_array(np.array([1, 2], np.int64), "sides"),
            numpy_helper.from_array(np.array(0.0, np.float32), "nothing"),
        ]
    )
    write_model(
        folder,
        model.SerializeToString(),
        title="The brightest colour, late",
        task="image-classification",
        labels=COLOURS,
        input={"kind": "image", "height": 8, "width": 8, "channels": 3, "fit": "stretch", "background": "black"},
    )
    (folder / "golden" / "red.png").write_bytes(plain("red"))
    rows = [{"file": "red.png", "scores": softmax(10.0, 0.0, 0.0)}]
    (folder / "golden" / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "rows": rows}))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("slow")
    write_slow(folder / "slow" / "1")
    with serving(models=folder, workers=1) as url:
        yield url


def ask(url: str, milliseconds: int | None = None) -> httpx2.Response:
    headers = {} if milliseconds is None else {"x-request-timeout-ms": str(milliseconds)}
    return httpx2.post(f"{url}{ROAD}", content=plain("red"), headers=headers, timeout=60)


def counted(url: str, name: str) -> float:
    return sum(map(float, re.findall(rf"^{name}{{.*}} (\S+)$", httpx2.get(f"{url}/metrics").text, re.MULTILINE)))


def test_a_deadline_that_passes_during_the_run_is_504_at_the_deadline(url: str) -> None:
    answer = ask(url, 30)
    assert answer.status_code == 504
    assert "deadline" in answer.json()["error"]
    assert ask(url, 30_000).status_code == 200


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "soon", "", "99999999999"])
def test_a_timeout_that_is_no_number_of_milliseconds_is_refused(url: str, wrong: str) -> None:
    answer = httpx2.post(f"{url}{ROAD}", content=plain("red"), headers={"x-request-timeout-ms": wrong})
    assert answer.status_code == 400
    assert "milliseconds" in answer.json()["error"]


def test_under_overload_the_refused_hear_it_at_once_and_nobody_is_run_in_vain(url: str) -> None:
    alone = min(ask(url).elapsed.total_seconds() for _ in range(3))
    deadline = int(8000 * alone)  # for some 16 of 40, on two lanes
    runs = counted(url, "maxpool_batch_duration_seconds_count")
    with ThreadPoolExecutor(40) as callers:
        answers = list(callers.map(lambda _: ask(url, deadline), range(40)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) <= {200, 503, 504}
    assert codes.count(200) >= 2
    assert codes.count(503) >= 5
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert "deadline" in answer.json()["error"]
    run = counted(url, "maxpool_batch_duration_seconds_count") - runs
    assert run <= codes.count(200) + 4  # the lanes' rows at the deadline
    assert ask(url).status_code == 200


def test_work_of_clients_that_went_away_is_never_run(url: str) -> None:
    assert ask(url).status_code == 200
    answered, cancelled = (counted(url, name) for name in ("maxpool_requests_total", "maxpool_cancelled_total"))
    body = plain("red")
    head = f"POST {ROAD} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    port = int(url.rpartition(":")[2])
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(head + body)
    sleep(0.1)
    for connection in connections:
        connection.close()

    def run() -> float:
        return counted(url, "maxpool_requests_total") - answered

    eventually(lambda: counted(url, "maxpool_cancelled_total") - cancelled + run() == 20)
    assert run() <= 6  # what was in the lanes when they left


def test_the_protocol_s_timeout_is_taken_in_microseconds(url: str) -> None:
    tensor = {"name": "image", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [255, 0, 0] * 64}
    for timeout, expected in ((30_000, 504), (60_000_000, 200), (0, 200)):
        document = {"inputs": [tensor], "parameters": {"timeout": timeout, "priority": 1}}
        assert httpx2.post(f"{url}/v2/models/slow/infer", json=document, timeout=60).status_code == expected


@pytest.mark.parametrize(("asked", "status"), [(None, b"200"), (1000, b"504")])
def test_the_time_of_sending_counts_for_a_deadline_that_was_asked_for_alone(
    tiny_models: Path, asked: int | None, status: bytes
) -> None:
    body = plain("red")
    with serving(models=tiny_models, workers=1, timeout_seconds=1) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            header = f"x-request-timeout-ms: {asked}\r\n" if asked else ""
            head = f"POST /v1/models/colour/predict HTTP/1.1\r\nhost: x\r\n{header}content-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:20])
            sleep(1.5)
            connection.sendall(body[20:])
            assert connection.recv(100).split()[1] == status
