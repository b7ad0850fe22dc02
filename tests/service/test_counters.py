"""What happened to every request is counted once, to the unit and over all worker processes (docs/operations.md)."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import eventually, plain, serving

ROAD = "/v1/models/colour/predict"
HOST = "host: x\r\n"
SAMPLE = re.compile(
    r"^maxpool_(received|requests|cancelled|refused_connections)_total(?:\{(.*)\})? (\S+)$", re.MULTILINE
)


@pytest.fixture
def url(tiny_models: Path) -> Iterator[str]:
    with serving(models=tiny_models, workers=2, receive_seconds=1, max_body_bytes=100_000) as url:
        yield url


def counters(url: str) -> Counter[str]:
    """Of each kind, and of each kind and code."""
    found: Counter[str] = Counter()
    for kind, labels, value in SAMPLE.findall(httpx2.get(f"{url}/metrics").text):
        code = re.search(r'code="(\d+)"', labels)
        found[f"{kind} {code[1]}" if code else kind] += int(float(value))
    return +found


def say(url: str, text: str, body: bytes = b"") -> bytes:
    """The status that comes back, b"" for none, after however long it takes."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as connection:
        connection.sendall(text.encode() + body)
        return connection.recv(4096)[9:12]


def test_every_answer_is_counted_by_its_code_and_every_request_ends_once(url: str) -> None:
    good = plain("red")
    post = f"POST {ROAD} HTTP/1.1\r\n{HOST}content-length: {len(good)}\r\n\r\n"
    codes: Counter[str] = Counter()
    for body, path in [(good, ROAD)] * 4 + [(b"none", ROAD)] * 3 + [(good, "/v1/models/none/predict")] * 2:
        codes[str(httpx2.post(f"{url}{path}", content=body).status_code)] += 1
    codes[str(httpx2.post(f"{url}{ROAD}", content=bytes(100_001)).status_code)] += 1
    oip = httpx2.post(f"{url}/v2/models/colour/infer", content=b"{")
    codes[str(oip.status_code)] += 1
    codes[say(url, post.replace("content-length", "x-request-timeout-ms: soon\r\ncontent-length"), good).decode()] += 1
    codes[say(url, post, good[:20]).decode()] += 1  # its body never comes
    assert codes == {"200": 4, "400": 5, "404": 2, "413": 1, "408": 1}
    refused = [
        say(url, f"POST {ROAD} HTTP/1.1\r\n\r\n"),
        say(url, f"POST {ROAD} HTTP/1.1\r\n{HOST}x: {'x' * 33_000}\r\n\r\n"),
        say(url, "POST"),
    ]
    assert refused == [b"400", b"431", b"408"]
    assert counters(url) == {
        "received": 13,
        **{f"requests {code}": count for code, count in codes.items()},
        **{f"refused_connections {code.decode()}": 1 for code in refused},
    }


def test_a_client_that_goes_away_amid_its_body_is_counted_as_cancelled_once(url: str) -> None:
    head = f"POST {ROAD} HTTP/1.1\r\n{HOST}content-length: 1000\r\n\r\n".encode()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
            connection.sendall(head + b"half")
    eventually(lambda: counters(url)["cancelled"] == 3)
    assert counters(url) == {"received": 3, "cancelled": 3}


def test_scrapes_and_questions_after_models_are_no_requests(url: str) -> None:
    for path in ("/v1/models", "/metrics", "/readyz", "/nothing", ROAD):
        httpx2.get(f"{url}{path}")
    assert counters(url) == {}


STAGES = ("request", "decode", "queue", "infer")
OF_STAGES = re.compile(
    r"^maxpool_(\w+_duration_seconds_(?:count|sum)|batch_rows_sum|\w+_duration_seconds_bucket)"
    r'\{(?:le="\+Inf",)?model="colour",version="1"\} (\S+)$',
    re.MULTILINE,
)


def observed(url: str) -> dict[str, float]:
    """Of one model: counts, sums, and the buckets without an end."""
    return {name: float(value) for name, value in OF_STAGES.findall(httpx2.get(f"{url}/metrics").text)}


def test_every_stage_of_every_request_is_observed_over_all_workers(tiny_url: str) -> None:
    before = observed(tiny_url)
    for _ in range(10):  # a connection each, and so in turn
        assert httpx2.post(f"{tiny_url}{ROAD}", content=plain("red")).status_code == 200
    grown = {name: value - before.get(name, 0) for name, value in observed(tiny_url).items()}
    for stage in STAGES:
        assert grown[f"{stage}_duration_seconds_count"] == grown[f"{stage}_duration_seconds_bucket"] == 10
    parts = sum(grown[f"{stage}_duration_seconds_sum"] for stage in STAGES[1:])
    assert 0 < parts <= grown["request_duration_seconds_sum"]
    assert grown["batch_rows_sum"] == 10
