"""A collector of OpenTelemetry: it takes spans over HTTP, as OTLP has them, and keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import eventually


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    error: bool
    start: int  # nanoseconds of the epoch
    end: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    url: str = ""
    status: int = 200  # that it answers with
    hangs: bool = False
    spans: list[Span] = field(default_factory=list)
    asked: int = 0  # times
    over: Event = field(default_factory=Event)

    def of(self, trace: str, *, count: int) -> list[Span]:
        """The spans of a trace, as soon as there are as many."""
        eventually(lambda: len(self._of(trace)) >= count)
        assert len(self._of(trace)) == count
        return self._of(trace)

    def _of(self, trace: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace == trace]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.asked += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            if collector.hangs:
                collector.over.wait()
                return
            if self.path == "/v1/traces" and collector.status == 200:
                collector.spans += spans_of(body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.over.set()
            server.shutdown()
            thread.join()


def spans_of(body: bytes) -> list[Span]:
    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.kind,
            span.status.code == 2,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            values(span.attributes),
            values(group.resource.attributes),
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
