"""A line for each request, with a real server: what is in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx2
import pytest

from service.protocols.oip_messages import SERVICE
from tests.conftest import ROOT, plain
from tests.service.logged import Served, ask, id_of, logged, parsed, serving_logged, write_models
from tests.service.protocols.calls import pixels_in, request
from tests.service.protocols.infer import RED_BLUE
from tests.service.test_connection import answer_to, codes

ALWAYS = {"time", "level", "logger", "request_id", "method", "path", "status", "client", "bytes_out"}
OF_A_ROAD = ALWAYS | {"bytes_in", "total_ms", "dialect"}
OF_A_MODEL = OF_A_ROAD | {"model", "version"}
ANSWERED = OF_A_MODEL | {"rows", "batch_rows", "decode_ms", "queue_ms", "infer_ms"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
COLOUR, LENGTH = "/v1/models/colour/predict", "/v1/models/length/predict"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_logged(models, tmp_path_factory.mktemp("log") / "log") as given:
        yield given


def test_a_prediction_has_a_line_with_all_that_is_known_of_it(served: Served) -> None:
    answer = served.http.post(f"{COLOUR}?top_k=2", content=plain("red"), headers={"x-request-id": "one"})
    line = served.log.line("one")
    assert line.keys() == ANSWERED
    assert (line["level"], line["logger"], line["method"], line["path"]) == ("info", "maxpool.request", "POST", COLOUR)
    assert (line["status"], line["dialect"], line["client"]) == (200, "maxpool", "127.0.0.1")
    assert (line["model"], line["version"], line["rows"], line["batch_rows"]) == ("colour", "1", 1, 1)
    assert (line["bytes_in"], line["bytes_out"]) == (len(plain("red")), len(answer.content))
    stages = [line[name] for name in ("decode_ms", "queue_ms", "infer_ms")]
    assert min(stages) >= 0
    assert sum(stages) <= line["total_ms"] + 0.002  # each is rounded
    timing = dict(part.strip().split(";dur=") for part in answer.headers["server-timing"].split(","))
    assert stages == [pytest.approx(float(timing[name]), abs=0.01) for name in ("decode", "queue", "infer")]


def test_several_inputs_are_as_many_rows_and_one_line(served: Served) -> None:
    inputs = ["so it goes", "hello", "a film that goes on and on"]
    assert served.http.post(LENGTH, json={"inputs": inputs}, headers={"x-request-id": "three"}).status_code == 200
    line = served.log.line("three")
    assert line["rows"] == 3
    assert 1 <= line["batch_rows"] <= 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason", "fields"),
    [
        ("POST", COLOUR, b"no picture", 400, "InvalidInput", OF_A_MODEL),
        ("POST", COLOUR, b"x" * (1024 * 1024 + 1), 413, "InputTooLarge", OF_A_MODEL),
        ("POST", "/v1/models/nothing/predict", b"x", 404, "UnknownModel", OF_A_ROAD),
        ("POST", "/v1/models/spoiled/predict", b"x", 503, "Unavailable", OF_A_ROAD),
        ("POST", "/v1/models/nothing:predict", b"x", 404, "UnknownModel", OF_A_ROAD),
        ("GET", "/nothing", b"", 404, "NotFound", ALWAYS | {"total_ms"}),
        ("GET", COLOUR, b"", 405, "MethodNotAllowed", ALWAYS | {"total_ms"}),
        ("GET", "/v1/models/nothing", b"", 404, "UnknownModel", ALWAYS | {"total_ms"}),
        ("POST", "/v2/repository/models/colour/load", b"", 403, "Forbidden", ALWAYS | {"total_ms"}),
    ],
)
def test_a_refusal_has_a_line_with_its_reason(
    served: Served, method: str, path: str, body: bytes, status: int, reason: str, fields: set[str]
) -> None:
    answer = served.http.request(method, path, content=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    line = served.log.line(answer.headers["x-request-id"])
    assert line.keys() == fields | {"reason"}
    assert (line["method"], line["path"], line["status"], line["reason"]) == (method, path, status, reason)
    assert line["bytes_out"] == len(answer.content)
    if "bytes_in" in line:
        assert line["bytes_in"] == (len(body) if status == 400 else 0)  # 0 where it was not taken


def test_a_refusal_of_the_connection_has_a_line_too(served: Served) -> None:
    answer = answer_to(served.log.url, b"GET /healthz HTTP/1.1\r\nhost: x\r\na: " + b"x" * 100_000 + b"\r\n\r\n")
    assert codes(answer) == [431]
    line = served.log.line(id_of(answer))
    assert (line["status"], line["reason"]) == (431, "HeadTooLarge")


def test_the_table_of_fields_and_the_line_beside_it_are_those_of_the_log(served: Served) -> None:
    """Both of docs/operations.md."""
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## Log\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```json\n(.+)\n```", section)
    served.http.post(COLOUR, content=plain("red"), headers={"x-request-id": "shown"})
    assert list(json.loads(example)) == list(served.log.line("shown"))
    assert parsed(example.encode())
    listed = {
        name for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == ANSWERED | {"reason", "trace_id"}


def test_the_trace_of_a_traceparent_has_a_field(served: Served) -> None:
    traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
    for headers, request_id in (({}, TRACE), ({"x-request-id": "traced"}, "traced")):
        served.http.post(COLOUR, content=plain("red"), headers={"traceparent": traceparent, **headers})
        line = served.log.line(request_id)
        assert line.keys() == ANSWERED | {"trace_id"}
        assert line["trace_id"] == TRACE
    message = request(model_name="colour", **pixels_in(RED_BLUE)).SerializeToString()
    call = served.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    call(message, metadata=(("traceparent", traceparent), ("x-request-id", "traced-grpc")), timeout=20)
    assert served.log.line("traced-grpc")["trace_id"] == TRACE


def test_what_is_no_prediction_and_no_refusal_has_none(served: Served) -> None:
    for path in ("/healthz", "/v1/models", "/metrics", "/v2", "/docs"):
        assert served.http.get(path, headers={"x-request-id": "quiet"}).status_code == 200
    served.http.get("/nothing", headers={"x-request-id": "loud"})
    served.log.line("loud")
    assert not [line for line in served.log.lines() if line.get("request_id") == "quiet"]


@pytest.mark.parametrize(
    ("model", "status", "reason", "code", "fields"),
    [
        ("colour", 200, None, grpc.StatusCode.OK, ANSWERED),
        ("nothing", 404, "UnknownModel", grpc.StatusCode.NOT_FOUND, OF_A_ROAD),
        ("spoiled", 503, "Unavailable", grpc.StatusCode.UNAVAILABLE, OF_A_ROAD),
        ("length", 400, "InvalidInput", grpc.StatusCode.INVALID_ARGUMENT, OF_A_MODEL),
    ],
)
def test_a_call_of_grpc_has_a_line_as_over_http(
    served: Served, model: str, status: int, reason: str | None, code: grpc.StatusCode, fields: set[str]
) -> None:
    message = request(model_name=model, **pixels_in(RED_BLUE)).SerializeToString()
    answered, metadata = ask(served.channel, "ModelInfer", message, f"grpc-{model}")
    assert answered is code
    assert metadata["x-request-id"] == f"grpc-{model}"
    assert metadata.get("reason") == reason
    line = served.log.line(f"grpc-{model}")
    assert line.keys() == fields | ({"reason"} if reason else set())
    assert (line["method"], line["path"]) == ("gRPC", f"/{SERVICE}/ModelInfer")
    assert (line["status"], line.get("reason"), line["dialect"]) == (status, reason, "oip")
    assert (line["bytes_in"], line["client"]) == (len(message), "127.0.0.1")
    if status == 200:
        assert (line["model"], line["version"], line["rows"]) == ("colour", "1", len(RED_BLUE))
        assert line["bytes_out"] > 0


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("ModelMetadata", 404, "UnknownModel"),
        ("RepositoryModelLoad", 403, "Forbidden"),
        ("SystemSharedMemoryStatus", 501, "NotOffered"),
    ],
)
def test_so_has_whatever_else_is_refused(served: Served, name: str, status: int, reason: str) -> None:
    _, metadata = ask(served.channel, name, b"", name)
    assert metadata["reason"] == reason
    line = served.log.line(name)
    assert (line["path"], line["status"], line["reason"]) == (f"/{SERVICE}/{name}", status, reason)
    ask(served.channel, "ServerLive", b"", "live")
    assert not [line for line in served.log.lines() if line.get("request_id") == "live"]


def test_each_request_of_a_stream_has_a_line(served: Served) -> None:
    messages = [request(model_name=name, **pixels_in(RED_BLUE)) for name in ("colour", "nothing", "colour")]
    call = served.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    bodies = (message.SerializeToString() for message in messages)
    assert len(list(call(bodies, metadata=(("x-request-id", "stream"),), timeout=20))) == 3
    assert sorted(line["status"] for line in served.log.of("stream", count=3)) == [200, 200, 404]


def test_by_default_there_are_no_lines_of_requests_but_ids_and_warnings(models: Path, tmp_path: Path) -> None:
    with logged(models, tmp_path / "log", request_log=0) as log:
        good = httpx2.post(f"{log.url}{COLOUR}", content=plain("red"), headers={"x-request-id": "mine"})
        bad = httpx2.get(f"{log.url}/nothing")
    assert (good.status_code, good.headers["x-request-id"]) == (200, "mine")
    assert bad.headers["x-request-id"]
    lines = parsed(log.file.read_bytes())
    assert "maxpool.request" not in {line["logger"] for line in lines}
    assert [line for line in lines if line["level"] == "error" and "spoiled version 1 is not served" in line["message"]]
