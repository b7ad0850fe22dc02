"""Spans of requests, for a collector of OpenTelemetry. Imported only where MAXPOOL_TRACES_ENDPOINT names one.

entry of the log -> spans -> *every second, or 512 of them* -> a thread -> OTLP over HTTP

All is measured and answered by then, and no request waits for a collector: what finds no room is dropped and counted.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from threading import Thread

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import Counter

from service import __version__
from service.requestid import new_span
from service.requestlog import LONGEST_WORD, Entry, shown
from service.settings import Settings

log = logging.getLogger("maxpool")
ROOM = 8192  # spans that wait to be sent
AT_ONCE = 512  # spans, that are sent together
EVERY_MILLISECONDS = 1000  # or sooner, when there are as many
SEND_SECONDS = 5  # for a collector to take some, tries included
CLOSING_SECONDS = 2  # for what waits at the end
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
GRPC = "gRPC"  # a method of the log's
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
SCOPE = InstrumentationScope("maxpool", __version__)
Attributes = dict[str, str | int]


class Traces:
    """One a process. Used on the event loop only."""

    def __init__(self, settings: Settings, dropped: Counter) -> None:
        self._outlet = Outlet(settings.traces_endpoint, dropped)
        self._scheme = "https" if settings.tls_certificate else "http"
        self._dropped = dropped
        self._made = 0

    def begin(self) -> None:
        """In the process that answers, as there is a thread from now on."""
        ours: Attributes = {"service.name": "maxpool", "service.version": __version__, "process.pid": os.getpid()}
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say is said last.
        self._resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._processor = BatchSpanProcessor(
            self._outlet,
            max_queue_size=ROOM,
            schedule_delay_millis=EVERY_MILLISECONDS,
            max_export_batch_size=AT_ONCE,
        )

    def add(self, at: float, entry: Entry) -> None:
        """Of a request that has a span, answered `at` seconds of the epoch."""
        spans = self._spans(at, entry)
        if self._made - self._outlet.taken + len(spans) > ROOM:
            self._dropped.inc(len(spans))
            return
        self._made += len(spans)
        for span in spans:
            self._processor.on_end(span)

    async def close(self) -> None:
        """Returns when all is sent, or no collector has taken it for a while."""
        closing = Thread(target=self._processor.shutdown, name="traces-closing", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSING_SECONDS)
        if closing.is_alive():
            self._outlet.shutdown()  # of what still waits nothing is tried

    def _spans(self, at: float, entry: Entry) -> list[ReadableSpan]:
        """The request's own, and below it one for each stage, one after the other."""
        identity = entry.identity
        assert identity.trace is not None
        assert identity.span is not None
        trace = int(identity.trace, 16)
        length = nanoseconds(entry.seconds or 0.0)
        start = nanoseconds(at) - length
        context = SpanContext(trace, int(identity.span, 16), is_remote=False, trace_flags=SAMPLED)
        parent = SpanContext(trace, int(identity.parent, 16), is_remote=True) if identity.parent else None
        failed = entry.status >= 500
        spans = [
            ReadableSpan(
                name_of(entry),
                context,
                parent,
                self._resource,
                self._attributes(entry),
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
                start_time=start,
                end_time=start + length,
                instrumentation_scope=SCOPE,
            )
        ]
        if entry.stages is None:
            return spans
        decode, queue, _ = entry.stages
        rows: Attributes = {"maxpool.rows": entry.rows}
        stages: tuple[tuple[str, float, Attributes], ...] = (
            ("decode", decode, rows),
            ("queue", queue, {}),
            ("run", entry.last_run, {"maxpool.batch_rows": entry.batch_rows}),
        )
        begin = start + nanoseconds(entry.began)
        for name, seconds, attributes in stages:
            end = min(begin + nanoseconds(seconds), start + length)  # each is rounded
            spans.append(
                ReadableSpan(
                    name,
                    SpanContext(trace, int(new_span(), 16), is_remote=False, trace_flags=SAMPLED),
                    context,
                    self._resource,
                    attributes,
                    start_time=begin,
                    end_time=end,
                    instrumentation_scope=SCOPE,
                )
            )
            begin = end
        return spans

    def _attributes(self, entry: Entry) -> Attributes:
        """By OpenTelemetry's conventions, and ours where they have none. What is not known is left out."""
        path = shown(entry.path[:LONGEST_WORD])
        known: dict[str, str | int | None] = {
            "maxpool.request_id": entry.identity.id,
            "maxpool.reason": entry.reason,
            "maxpool.dialect": entry.dialect,
            "maxpool.model": entry.spec.name if entry.spec else None,
            "maxpool.version": entry.spec.version if entry.spec else None,
            "client.address": shown(entry.client[0].encode()[:LONGEST_WORD]) if entry.client else None,
            "error.type": entry.reason if entry.status >= 500 else None,
        }
        if entry.method == GRPC:
            known |= {"rpc.system.name": "grpc", "rpc.method": path[1:]}
        else:
            known |= {
                "http.request.method": entry.method if entry.method in METHODS else "_OTHER",
                "http.route": entry.route,
                "http.response.status_code": entry.status,
                "url.path": path,
                "url.scheme": self._scheme,
            }
        return {name: value for name, value in known.items() if value is not None}


class Outlet(SpanExporter):
    """To the collector. It says once that spans are lost, and once that they are not any more."""

    def __init__(self, endpoint: str, dropped: Counter) -> None:
        self._endpoint = endpoint
        self._dropped = dropped
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
        self._works = True
        self.taken = 0  # spans, by the thread

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        works = result is SpanExportResult.SUCCESS
        if not works:
            self._dropped.inc(len(spans))
        if works != self._works:
            self._works = works
            if works:
                log.info("spans are sent to %s again", self._endpoint)
            else:
                log.warning(
                    "spans can not be sent to %s and are dropped (maxpool_spans_dropped_total counts them): "
                    "is there a collector of OTLP over HTTP, as MAXPOOL_TRACES_ENDPOINT says?",
                    self._endpoint,
                )
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def name_of(entry: Entry) -> str:
    """Of few kinds, as traces are listed by it: never what a client made up."""
    if entry.method == GRPC:
        return shown(entry.path[1:])
    method = entry.method if entry.method in METHODS else "HTTP"
    return f"{method} {entry.route}" if entry.route else method


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
