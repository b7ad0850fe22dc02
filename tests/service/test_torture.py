"""What is not a request, or is one and looks for holes: each gets its code on a raw socket, the next is answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import children, started
from tests.service.test_connection import BODY, HEALTH, PREDICT, PREDICTION, Service, alive, answer_to, codes, connect

CLOSE = b"connection: close\r\n"
END = b"\r\n"
CHUNKED = PREDICT + CLOSE + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def service(tiny_models: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    settings = {"MAXPOOL_RECEIVE_SECONDS": "2", "MAXPOOL_KEEP_ALIVE_SECONDS": "1"}
    with started(tiny_models, workers=request.param, **settings) as given:
        yield given


def get(*headers: bytes, target: bytes = b"/healthz", method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return (
        b"%s %s HTTP/%s\r\n" % (method, target, version) + CLOSE + b"".join(b"%s\r\n" % each for each in headers) + END
    )


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    return PREDICT + CLOSE + b"".join(b"%s\r\n" % each for each in headers) + END + body


def chunks(body: bytes) -> bytes:
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body)


LENGTH = b"content-length: %d" % len(BODY)
REQUESTS = {
    "length and chunks": (post(LENGTH, b"transfer-encoding: chunked"), 400),
    "chunks and length": (post(b"transfer-encoding: chunked", LENGTH), 400),
    "two lengths": (post(LENGTH, b"content-length: 5"), 400),
    "negative length": (post(b"content-length: -1"), 400),
    "length that is no number": (post(b"content-length: 0x13"), 400),
    "length beyond 64 bits": (post(b"content-length: 99999999999999999999999"), 400),
    "space before the colon": (get(b"host : x"), 400),
    "folded header": (get(b"host: x", b"a: b", b" c"), 400),
    "bare line ends": (b"GET /healthz HTTP/1.1\nhost: x\n\n", 400),
    "null in a header": (get(b"host: x", b"a: b\0c"), 400),
    "unknown coding": (post(b"transfer-encoding: gzip"), 400),
    "chunked, but not last": (post(b"transfer-encoding: chunked, gzip"), 400),
    "chunk without its end": (CHUNKED + b"1\r\nxx0\r\n\r\n", 400),
    "chunk of no size": (CHUNKED + b"g\r\nx\r\n", 400),
    "chunk beyond 64 bits": (CHUNKED + b"fffffffffffffffff\r\nx", 400),
    "chunk extension of 2 MB": (CHUNKED + b"1;" + b"a" * 2_000_000 + b"\r\nx\r\n0\r\n\r\n", 400),
    "65,536 chunks": (CHUNKED + chunks(BODY + b" " * (65_536 - len(BODY))) + b"0\r\n\r\n", 200),
    "65,537 chunks": (CHUNKED + chunks(BODY + b" " * (65_537 - len(BODY))) + b"0\r\n\r\n", 400),
    "no host": (get(), 400),
    "no host in HTTP/1.0": (get(version=b"1.0"), 200),
    "two hosts": (get(b"host: x", b"host: x"), 400),
    "empty host": (get(b"host:"), 400),
    "host with a path": (get(b"host: a/b?c="), 400),
    "host with a fragment": (get(b"host: x#y"), 400),
    "host with a space": (get(b"host: x y"), 400),
    "host with a user": (get(b"host: me@x"), 400),
    "host with a word for a port": (get(b"host: x:http"), 400),
    "address for a host": (get(b"host: [::1]:8000"), 200),
    "100 headers": (get(b"host: x", *[b"a: b"] * 98), 200),
    "101 headers": (get(b"host: x", *[b"a: b"] * 99), 431),
    "large header": (get(b"host: x", b"a: " + b"x" * 32_000), 200),
    "too large a header": (get(b"host: x", b"a: " + b"x" * 33_000), 431),
    "too large a target": (get(b"host: x", target=b"/" + b"a" * 33_000), 431),
    "too large a name": (get(b"host: x", b"a" * 33_000 + b": x"), 431),
    "absolute target": (get(b"host: x", target=b"http://y/healthz"), 200),
    "encoded dots": (get(b"host: x", target=b"/v1/models/%2e%2e%2f%2e%2e%2fetc/predict", method=b"POST"), 404),
    "encoded null": (get(b"host: x", target=b"/v1/models/length%00/predict", method=b"POST"), 404),
    "target beyond ASCII": (get(b"host: x", target=b"/\xff"), 400),
    "HEAD": (get(b"host: x", method=b"HEAD"), 405),
    "TRACE": (get(b"host: x", method=b"TRACE"), 405),
    "CONNECT": (get(b"host: x", target=b"x:80", method=b"CONNECT"), 400),
    "method of nobody": (get(b"host: x", method=b"EAT"), 400),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3": (get(b"host: x", version=b"3.0"), 400),
    "HTTP/2 by upgrade": (HEALTH + b"connection: upgrade, close\r\nupgrade: h2c\r\n\r\n", 200),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, 400),
    "trailer that would be a header": (CHUNKED + b"13\r\n" + BODY + b"\r\n0\r\nx-request-timeout-ms: 0\r\n\r\n", 200),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_the_code_is_the_right_one_and_the_next_request_is_answered(service: Service, case: str) -> None:
    _, url = service
    request, code = REQUESTS[case]
    answer = answer_to(url, request)
    assert codes(answer) == [code]
    if code != 200 and case != "HEAD":
        assert b'\r\n\r\n{"error":"' in answer
    assert alive(url)


def test_what_is_pipelined_is_answered_in_order_up_to_what_is_wrong(service: Service) -> None:
    _, url = service
    answer = answer_to(
        url, PREDICTION + get(b"host: x", target=b"/nowhere").replace(CLOSE, b"") + PREDICTION + b"EAT\r\n"
    )
    assert codes(answer) == [200, 404, 200]
    assert codes(answer_to(url, PREDICTION + get() + PREDICTION)) == [200]


def test_a_client_that_asks_first_is_told_to_go_on_and_only_where_there_is_a_use(service: Service) -> None:
    _, url = service
    head = PREDICT + CLOSE + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    with connect(url) as connection:
        connection.sendall(head % len(BODY))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert codes(connection.recv(65536)) == [200]
    with connect(url) as connection:
        connection.sendall(head % 10**10)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def resident(pid: int) -> int:
    """Bytes of the process and its workers."""
    status = (Path(f"/proc/{each}/status").read_text() for each in {pid, *children(pid)})
    return sum(1024 * int(text.partition("VmRSS:")[2].split()[0]) for text in status)


@pytest.mark.parametrize(
    ("flood", "code"),
    [
        pytest.param(HEALTH + b"a: " + b"x" * 100_000_000, 431, id="one header of 100 MB"),
        pytest.param(b"GET /" + b"x" * 100_000_000, 431, id="a target of 100 MB"),
        pytest.param(HEALTH + b"a: b\r\n" * 10_000_000, 431, id="ten million headers"),
        pytest.param(CHUNKED + b"13\r\n" + BODY + b"\r\n0\r\n" + b"a: b\r\n" * 10_000_000, 431, id="and trailers"),
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 10_000_000, 400, id="ten million chunks"),
    ],
)
def test_a_flood_is_refused_and_takes_no_memory(service: Service, flood: bytes, code: int) -> None:
    pid, url = service
    answer_to(url, flood)
    before = resident(pid)
    for _ in range(4):
        assert codes(answer_to(url, flood))[-1:] in ([code], [])  # where it is answered before the trailers came
    assert resident(pid) - before < 8 * 1024 * 1024
    assert alive(url)
