"""Spans of requests, with real servers and a collector that takes them apart."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter

from service.protocols.oip_messages import SERVICE
from service.requestid import Identity
from service.requestlog import Entry
from service.settings import Settings
from service.traces import AT_ONCE, ROOM, Traces
from tests.conftest import ROOT, eventually, free_port, plain
from tests.service.collector import Collector, Span, collecting
from tests.service.logged import Logged, logged, write_models
from tests.service.protocols.calls import pixels_in, request
from tests.service.protocols.infer import RED_BLUE

COLOUR = "/v1/models/colour/predict"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, INTERNAL = 2, 1  # kinds of span
STAGES = ("decode", "queue", "run")


@dataclass(frozen=True)
class Traced:
    collector: Collector
    log: Logged
    http: httpx2.Client  # of one connection, and so of one worker
    channel: grpc.Channel

    def spans(self, answer: httpx2.Response, *, count: int = 1) -> list[Span]:
        return self.collector.of(told(answer)[0], count=count)

    def span(self, answer: httpx2.Response) -> Span:
        """The only one."""
        (span,) = self.spans(answer)
        return span


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def traced(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Two workers, every request."""
    port, file = free_port(), tmp_path_factory.mktemp("log") / "log"
    with (
        collecting() as collector,
        logged(models, file, workers=2, grpc_port=port, traces_endpoint=collector.url, traces_share=1) as log,
        httpx2.Client(base_url=log.url, timeout=30) as http,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        grpc.channel_ready_future(channel).result(timeout=30)
        yield Traced(collector, log, http, channel)


def told(answer: httpx2.Response) -> tuple[str, str]:
    """Trace and span, by the answer."""
    found = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-01", answer.headers["traceresponse"])
    assert found
    return found[1], found[2]


def traceparent(trace: str, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{PARENT}-{flags}"}


def root(spans: list[Span]) -> Span:
    (found,) = (span for span in spans if span.kind == SERVER)
    return found


def test_a_prediction_is_a_span_with_one_for_each_stage_in_it(traced: Traced) -> None:
    before = time.time_ns()
    answer = traced.http.post(COLOUR, content=plain("red"))
    after = time.time_ns()
    spans = traced.spans(answer, count=4)
    top = root(spans)
    assert (top.trace, top.id) == told(answer)
    assert (top.name, top.parent, top.error) == ("POST /v1/models/{name}/predict", "", False)
    assert top.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/models/{name}/predict",
        "http.response.status_code": 200,
        "url.path": COLOUR,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "maxpool.request_id": answer.headers["x-request-id"],
        "maxpool.dialect": "maxpool",
        "maxpool.model": "colour",
        "maxpool.version": "1",
    }
    assert top.resource["service.name"] == "maxpool"
    stages = [next(span for span in spans if span.name == name) for name in STAGES]
    assert {(stage.parent, stage.kind) for stage in stages} == {(top.id, INTERNAL)}
    assert [stage.attributes for stage in stages] == [{"maxpool.rows": 1}, {}, {"maxpool.batch_rows": 1}]
    times = [top.start, *(at for stage in stages for at in (stage.start, stage.end)), top.end]
    assert times == sorted(times)
    assert stages[0].end == stages[1].start
    assert stages[1].end == stages[2].start < stages[2].end
    slack = 50_000_000  # of the system's clock, by which it may be set right meanwhile
    assert before - slack < top.start < top.end < after + slack


def test_the_log_and_the_id_name_the_trace(traced: Traced) -> None:
    unnamed = traced.http.post(COLOUR, content=plain("red"))
    trace, _ = told(unnamed)
    assert unnamed.headers["x-request-id"] == trace
    assert traced.log.line(trace)["trace_id"] == trace
    named = traced.http.post(COLOUR, content=plain("red"), headers={"x-request-id": "named"})
    assert named.headers["x-request-id"] == "named"
    assert traced.log.line("named")["trace_id"] == told(named)[0]
    assert root(traced.spans(named, count=4)).attributes["maxpool.request_id"] == "named"


def test_a_trace_of_the_clients_goes_on_if_it_is_kept(traced: Traced) -> None:
    unkept, kept = "a" * 32, "b" * 32
    answer = traced.http.post(COLOUR, content=plain("red"), headers=traceparent(unkept, "00"))
    assert "traceresponse" not in answer.headers
    assert traced.log.line(unkept)["trace_id"] == unkept
    answer = traced.http.post(COLOUR, content=plain("red"), headers=traceparent(kept))
    top = root(traced.spans(answer, count=4))
    assert (top.trace, top.parent) == (kept, PARENT)
    assert unkept not in {span.trace for span in traced.collector.spans}  # of the same worker, and before


def test_one_that_is_none_is_as_none(traced: Traced) -> None:
    wrong = ("garbage", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01")
    answers = [traced.http.post(COLOUR, content=plain("red"), headers={"traceparent": each}) for each in wrong]
    for answer in answers:
        top = root(traced.spans(answer, count=4))
        assert top.trace not in (TRACE, "0" * 32)
        assert top.parent == ""


def test_rows_of_one_request_are_one_span_of_each_stage(traced: Traced) -> None:
    answer = traced.http.post("/v1/models/length/predict", json={"inputs": ["so it goes"] * 20})
    spans = traced.spans(answer, count=4)
    assert {span.attributes["maxpool.rows"] for span in spans if span.name == "decode"} == {20}
    top = root(spans)
    assert all(top.start <= span.start <= span.end <= top.end for span in spans)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason", "route"),
    [
        ("POST", COLOUR, b"no picture", 400, "InvalidInput", "/v1/models/{name}/predict"),
        ("POST", "/v1/models/nothing/predict", b"x", 404, "UnknownModel", "/v1/models/{name}/predict"),
        ("POST", "/v1/models/spoiled/predict", b"x", 503, "Unavailable", "/v1/models/{name}/predict"),
        ("GET", "/nothing", b"", 404, "NotFound", None),
        ("PROPFIND", "/nothing", b"", 404, "NotFound", None),
    ],
)
def test_a_refusal_says_why_and_only_ours_are_errors(
    traced: Traced, method: str, path: str, body: bytes, status: int, reason: str, route: str | None
) -> None:
    answer = traced.http.request(method, path, content=body)
    assert answer.status_code == status
    span = traced.span(answer)
    assert (span.trace, span.id) == told(answer)
    known = method != "PROPFIND"
    assert span.attributes["http.request.method"] == (method if known else "_OTHER")
    assert span.name == (f"{method} {route}" if route else method if known else "HTTP")
    assert span.attributes["http.response.status_code"] == status
    assert (span.attributes["maxpool.reason"], span.attributes.get("http.route")) == (reason, route)
    assert span.error is (status >= 500)
    assert span.attributes.get("error.type") == (reason if status >= 500 else None)


def test_what_is_no_prediction_is_traced_for_a_client_that_traces_it(traced: Traced) -> None:
    probe = traced.http.get("/healthz")
    listed = traced.http.get("/v1/models/colour", headers=traceparent("c" * 32))
    span = traced.span(listed)
    assert (span.name, span.parent) == ("GET /v1/models/{name}", PARENT)
    assert told(probe)[0] not in {span.trace for span in traced.collector.spans}
    assert "GET /healthz" not in {span.name for span in traced.collector.spans}
    assert not [line for line in traced.log.lines() if line.get("request_id") == "c" * 32]


def test_a_call_of_grpc_is_traced_as_over_http(traced: Traced) -> None:
    message = request(model_name="colour", **pixels_in(RED_BLUE)).SerializeToString()
    rpc = traced.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    _, call = rpc.with_call(message, metadata=(("traceparent", traceparent("d" * 32)["traceparent"]),), timeout=20)
    spans = traced.collector.of("d" * 32, count=4)
    top = root(spans)
    assert dict(call.trailing_metadata())["traceresponse"] == f"00-{'d' * 32}-{top.id}-01"
    assert (top.name, top.parent) == (f"{SERVICE}/ModelInfer", PARENT)
    assert top.attributes["rpc.system.name"] == "grpc"
    assert top.attributes["maxpool.model"] == "colour"
    assert "http.request.method" not in top.attributes
    assert sorted(span.name for span in spans if span is not top) == sorted(STAGES)
    assert all(top.start <= span.start <= span.end <= top.end for span in spans)


def test_each_request_of_a_stream_has_a_span_of_its_own(traced: Traced) -> None:
    messages = [request(model_name=name, **pixels_in(RED_BLUE)) for name in ("colour", "nothing", "colour")]
    rpc = traced.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    bodies = (message.SerializeToString() for message in messages)
    assert len(list(rpc(bodies, metadata=(("traceparent", traceparent("e" * 32)["traceparent"]),), timeout=20))) == 3
    spans = traced.collector.of("e" * 32, count=4 + 1 + 4)
    requests = [span for span in spans if span.kind == SERVER]
    assert len({span.id for span in requests}) == 3
    assert {span.parent for span in requests} == {PARENT}
    assert sorted(span.attributes.get("maxpool.reason", "") for span in requests) == ["", "", "UnknownModel"]


def test_the_table_of_attributes_is_that_of_the_spans(traced: Traced) -> None:
    """Of docs/tracing.md."""
    message = request(model_name="colour", **pixels_in(RED_BLUE)).SerializeToString()
    rpc = traced.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    rpc(message, metadata=(("traceparent", traceparent("f" * 32)["traceparent"]),), timeout=20)
    good = traced.http.post(COLOUR, content=plain("red"))
    bad = traced.http.post("/v1/models/spoiled/predict")
    spans = [*traced.collector.of("f" * 32, count=4), *traced.spans(good, count=4), traced.span(bad)]
    page = (ROOT / "docs" / "tracing.md").read_text()
    rows = re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w.]+)`", row)} == set().union(
        *(span.attributes for span in spans)
    )


def test_every_worker_sends_its_own(traced: Traced) -> None:
    answers = [httpx2.post(f"{traced.log.url}{COLOUR}", content=plain("red")) for _ in range(8)]
    spans = [span for answer in answers for span in traced.spans(answer, count=4)]
    assert len({span.resource["process.pid"] for span in spans}) == 2
    assert len({span.id for span in spans}) == len(spans) == 32


def test_what_is_under_way_to_the_collector_at_a_stop_gets_there(models: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        with logged(models, tmp_path / "log", traces_endpoint=collector.url, traces_share=1) as log:
            answer = httpx2.post(f"{log.url}{COLOUR}", content=plain("red"))
        assert len([span for span in collector.spans if span.trace == told(answer)[0]]) == 4


def dropped(url: str) -> int:
    found = re.search(r"^maxpool_spans_dropped_total (\S+)$", httpx2.get(f"{url}/metrics").text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def said(log: Logged, words: str) -> int:
    return sum(words in line.get("message", "") for line in log.lines())


def test_a_collector_that_takes_none_costs_spans_and_one_line_of_the_log(models: Path, tmp_path: Path) -> None:
    with (
        collecting() as collector,
        logged(models, tmp_path / "log", traces_endpoint=collector.url, traces_share=1) as log,
        httpx2.Client(base_url=log.url, timeout=30) as http,
    ):
        collector.status = 400
        for lost in (4, 8, 12):
            assert http.post(COLOUR, content=plain("red")).status_code == 200
            eventually(lambda lost=lost: dropped(log.url) == lost)  # type: ignore[misc]
        assert collector.asked >= 3
        eventually(lambda: said(log, "can not be sent") == 1)
        collector.status = 200
        answer = http.post(COLOUR, content=plain("red"))
        collector.of(told(answer)[0], count=4)
        eventually(lambda: said(log, "again") == 1)
        assert said(log, "can not be sent") == 1
        assert dropped(log.url) == 12


def test_requests_go_on_where_there_is_no_collector(models: Path, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with (
        logged(models, tmp_path / "log", workers=2, traces_endpoint=nowhere, traces_share=1) as log,
        httpx2.Client(base_url=log.url, timeout=30) as http,
    ):
        statuses = {http.post(COLOUR, content=plain("red")).status_code for _ in range(100)}
        assert statuses == {200}
        eventually(lambda: dropped(log.url) > 0)
        assert said(log, nowhere) == 1
        assert not [line for line in log.lines() if line["level"] == "error" and "spoiled" not in line["message"]]


def test_where_a_collector_hangs_so_many_wait_the_rest_is_dropped_and_the_end_is_not_held_up() -> None:
    given = 2 * ROOM
    lost = Counter("lost", "", registry=CollectorRegistry())
    entry = Entry(Identity("id", TRACE, PARENT), "GET", b"/", 404, "NotFound", None, 0)

    async def flood(url: str) -> None:
        traces = Traces(Settings(traces_endpoint=url), lost)
        traces.begin()
        for _ in range(given):
            traces.add(time.time(), entry)
        await traces.close()

    with collecting() as collector:
        collector.hangs = True
        asyncio.run(flood(collector.url))
        assert collector.asked == 1
        (found,) = (sample.value for sample in lost.collect()[0].samples if sample.name == "lost_total")
        assert given - ROOM - AT_ONCE <= found <= given - ROOM


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys, threading; from service.app import create_app; from service.settings import Settings; "
        "create_app(Settings(traces_endpoint={!r})); "
        "print(*{{'opentelemetry.sdk', 'opentelemetry.exporter', 'requests', 'service.traces'}} & sys.modules.keys(), "
        "threading.active_count())"
    )
    for endpoint, loaded in (("", 0), ("http://127.0.0.1:9", 4)):
        found = subprocess.check_output([sys.executable, "-c", code.format(endpoint)], cwd=ROOT, text=True).split()
        assert len(found[:-1]) == loaded, found
        assert found[-1] == "1", "there is a thread before the fork"
