"""Who a request is, to its client, in the log and in traces."""

import itertools
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

GIVEN = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
# W3C Trace Context, version 00: no trace and no parent are all zeros.
TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
SAMPLED = 1  # of its flags: the client's own part of the trace is kept


class Identity(NamedTuple):
    id: str
    trace: str | None = None  # of W3C Trace Context, if the client is part of one or the request is traced
    span: str | None = None  # the request's own, if it is traced
    parent: str | None = None  # of its span the client's, if that is in the trace

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """By which the client knows the request, and the trace that was made of it."""
        given = [(b"x-request-id", self.id.encode())]
        if self.span is not None:
            given.append((b"traceresponse", f"00-{self.trace}-{self.span}-01".encode()))
        return given

    def again(self) -> "Identity":
        """Of one more request that has all of it but the span."""
        return self if self.span is None else self._replace(span=new_span())


class RequestIds:
    """One a process."""

    def __init__(self, traced: float | None = None) -> None:
        """`traced`: of the requests that are part of no trace, the share that begins one; None: nothing is traced."""
        self._bound = None if traced is None else int(traced * (1 << 64))
        self.begin()

    def begin(self) -> None:
        """Anew in a process that was forked, so that no two make the same."""
        self._process = os.urandom(8).hex()
        self._count = itertools.count(1)

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        """By X-Request-Id, or else by the trace, or else by an id made here. What is not valid is as good as none."""
        given = traceparent = None
        for name, value in headers:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent":
                traceparent = value
        trace = span = parent = None
        if traceparent is not None and (found := TRACEPARENT.fullmatch(traceparent)):
            trace = found[1].decode()
            if self._bound is not None and int(found[3], 16) & SAMPLED:
                span, parent = new_span(), found[2].decode()
        elif self._bound is not None:
            drawn = os.urandom(16)
            if int.from_bytes(drawn[8:]) < self._bound:  # as OpenTelemetry's samplers draw
                trace, span = drawn.hex(), new_span()
        if given is not None and GIVEN.fullmatch(given):
            return Identity(given.decode(), trace, span, parent)
        return Identity(trace or f"{self._process}{next(self._count):016x}", trace, span, parent)


def new_span() -> str:
    return os.urandom(8).hex()
