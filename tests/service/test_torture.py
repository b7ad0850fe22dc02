"""What is not a request, or is one and looks for holes: each gets its code on a raw socket, the next is answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers import proportional_set_size
from tests.conftest import children, started
from tests.service.test_connection import (
    BODY,
    HEALTH,
    PREDICT,
    PREDICTION,
    ROAD,
    Service,
    alive,
    answer_to,
    codes,
    connect,
)

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
    "absolute target for a body": (post(LENGTH).replace(ROAD.encode(), b"http://y" + ROAD.encode()), 200),
    "absolute target without a path": (get(b"host: x", target=b"http://y"), 400),
    "absolute target of no port": (get(b"host: x", target=b"http://y:z/healthz"), 400),
    "dots": (get(b"host: x", target=b"/v1/../healthz"), 404),
    "encoded dots before a path that is": (get(b"host: x", target=b"/v1/%2e%2e/healthz"), 404),
    "two slashes": (get(b"host: x", target=b"//healthz"), 404),
    "a slash at the end": (get(b"host: evil", target=b"/healthz/"), 404),
    "encoded letter": (get(b"host: x", target=b"/%68ealthz"), 200),
    "letter encoded twice": (get(b"host: x", target=b"/%2568ealthz"), 404),
    "dots longer than needed": (get(b"host: x", target=b"/v1/models/%c0%ae%c0%ae"), 404),
    "broken percent": (get(b"host: x", target=b"/healthz%zz"), 404),
    "null in a query": (post(LENGTH).replace(ROAD.encode(), ROAD.encode() + b"?top_k=%00"), 400),
    "null in a target": (get(b"host: x", target=b"/healthz\0"), 400),
    "the same length twice": (post(LENGTH, LENGTH), 400),
    "a list of lengths": (post(b"content-length: 19, 19"), 400),
    "length with a sign": (post(b"content-length: +19"), 400),
    "length in two words": (post(b"content-length: 1 9"), 400),
    "empty length": (post(b"content-length:"), 400),
    "size with a sign": (CHUNKED + b"+13\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "size with a prefix": (CHUNKED + b"0x13\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "bare end of a size": (CHUNKED + b"13\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "bare end of a chunk": (CHUNKED + b"13\r\n" + BODY + b"\n0\r\n\r\n", 400),
    "bare end of an extension": (CHUNKED + b"13;a\nb\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "chunked twice": (post(b"transfer-encoding: chunked", b"transfer-encoding: chunked"), 400),
    "chunked with a blank of another kind": (post(b"transfer-encoding: \x0bchunked"), 400),
    "chunked by another name": (post(b"transfer-encoding: xchunked"), 400),
    "identity and length": (post(b"transfer-encoding: identity", LENGTH), 400),
    "chunks in HTTP/1.0": (CHUNKED.replace(b"/1.1", b"/1.0") + b"13\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n", 408),
    "HTTP in small letters": (get(b"host: x").replace(b"HTTP/", b"http/"), 400),
    "returns without line feeds": (b"GET /healthz HTTP/1.1\rhost: x\r\r", 400),
    "return in a header": (get(b"host: x", b"a: b\rc: d"), 400),
    "header without a colon": (get(b"host: x", b"abc"), 400),
    "header without a name": (get(b"host: x", b": b"), 400),
    "name beyond ASCII": (get(b"host: x", b"\xc3\xa4: b"), 400),
    "space before the method": (b" " + get(b"host: x"), 400),
    "empty lines before the method": (b"\r\n\r\n" + get(b"host: x"), 200),
    "expectation of something else": (post(LENGTH, b"expect: 200-ok"), 200),
    "body of a GET": (get(b"host: x", b"content-length: 5") + b"hello", 200),
    "a path in a header": (get(b"host: x", b"x-original-url: /nowhere", b"x-rewrite-url: /nowhere"), 200),
    "a method in a header": (get(b"host: x", b"x-http-method-override: DELETE"), 200),
    "5,000 ranges": (get(b"host: x", b"range: bytes=" + b"0-1," * 5000, target=b"/docs"), 200),
    "HEAD": (get(b"host: x", method=b"HEAD"), 405),
    "TRACE": (get(b"host: x", method=b"TRACE"), 405),
    "OPTIONS": (get(b"host: x", method=b"OPTIONS"), 405),
    "OPTIONS of the server": (get(b"host: x", target=b"*", method=b"OPTIONS"), 404),
    "CONNECT": (get(b"host: x", target=b"x:80", method=b"CONNECT"), 400),
    "method of nobody": (get(b"host: x", method=b"EAT"), 400),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3": (get(b"host: x", version=b"3.0"), 400),
    "HTTP/2 by upgrade": (HEALTH + b"connection: upgrade, close\r\nupgrade: h2c\r\n\r\n", 200),
    "upgrade with a body": (post(LENGTH, b"connection: upgrade, close", b"upgrade: h2c"), 200),
    "upgrade with chunks": (
        CHUNKED[:-2] + b"connection: upgrade\r\nUpgrade: h2c\r\n\r\n13\r\n" + BODY + b"\r\n0\r\n\r\n",
        200,
    ),
    "upgrade shouted, with a body": (post(LENGTH, b"connection: upgrade", b"UPGRADE: h2c"), 400),
    "upgrade shouted, and more behind it": (
        HEALTH + b"connection: upgrade\r\nUPGRADE: websocket\r\n\r\n" + get(b"host: x"),
        200,
    ),
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


UNLOAD = b"/v2/repository/models/length/unload"


@pytest.mark.parametrize(
    ("host", "target", "code"),
    [
        (b"x", UNLOAD, 401),
        (b"a/b?c=", UNLOAD, 400),
        (b"x/healthz#", UNLOAD, 400),
        (b"x", b"http://x/healthz#" + UNLOAD, 200),
        (b"x", b"http://x" + UNLOAD, 401),
        (b"x", UNLOAD.replace(b"unload", b"%75nload"), 401),
        (b"x", b"/healthz/.." + UNLOAD, 404),
        (b"x", b"/" + UNLOAD, 404),
        (b"x", UNLOAD + b"/", 404),
        (b"x", UNLOAD + b"?/healthz", 401),
    ],
)
def test_no_spelling_of_a_path_or_a_host_gets_past_the_key(
    tiny_models: Path, keyed: str, host: bytes, target: bytes, code: int
) -> None:
    method = b"GET" if code == 200 else b"POST"
    assert codes(answer_to(keyed, get(b"host: " + host, target=target, method=method))) == [code]
    assert alive(keyed)


@pytest.fixture(scope="module")
def keyed(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text("nobody guesses this key\n")
    with started(tiny_models, workers=1, MAXPOOL_ADMIN_KEY_FILE=str(key)) as (_, url):
        yield url


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


def taken(pid: int) -> int:
    """Bytes of the process and its workers, what they share counted once: of no file, whose pages other programs have a
    share in."""
    kinds = ("Pss_Anon", "Pss_Shmem")
    return sum(proportional_set_size(each, kind) for each in {pid, *children(pid)} for kind in kinds)


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
    for _ in range(4):  # they get their connections in turn, and what is touched for the first time is no growth
        answer_to(url, flood)
    before = taken(pid)
    for _ in range(4):
        assert codes(answer_to(url, flood))[-1:] in ([code], [])  # where it is answered before the trailers came
    assert taken(pid) - before < 8 * 1024 * 1024
    assert alive(url)


def test_a_websocket_is_not_spoken_whatever_is_installed(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "websockets.py").write_text("")  # uvicorn would take more of it than there is
    with started(tiny_models, workers=1, PYTHONPATH=str(tmp_path)) as (_, url):
        assert codes(answer_to(url, HEALTH + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n")) == [200]
        assert alive(url)
