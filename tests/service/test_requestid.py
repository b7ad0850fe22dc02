"""Who a request is: by its client's word where that is a good one, and else by an id that no other request has."""

import os
import re
from collections.abc import Iterator

import grpc
import httpx2
import pytest

from service.protocols.oip_messages import SERVICE
from service.requestid import Identity, RequestIds
from tests.conftest import free_port, plain, two_workers
from tests.service.test_connection import answer_to

COLOUR = "/v1/models/colour/predict"
MADE = re.compile(r"[0-9a-f]{32}")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = ["a", "7", "A-b_c.9", "x" * 64]
BAD = ["", "x" * 65, "a b", "a\nb", "a\x1bb", "a\x7fb", "ü", "a/b", '"', "a\x00", "a\n"]


def identify(**headers: str) -> Identity:
    given = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return RequestIds().identify(given)


@pytest.mark.parametrize("given", GOOD)
def test_a_good_id_is_kept(given: str) -> None:
    assert identify(x_request_id=given) == Identity(given, None)


@pytest.mark.parametrize("given", BAD)
def test_a_bad_one_is_replaced(given: str) -> None:
    identity = identify(x_request_id=given)
    assert MADE.fullmatch(identity.id)
    assert identity.trace is None


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_a_traceparent_gives_the_trace_and_an_id_where_there_is_none(flags: str) -> None:
    traceparent = f"00-{TRACE}-{PARENT}-{flags}"
    assert identify(traceparent=traceparent) == Identity(TRACE, TRACE)
    assert identify(traceparent=traceparent, x_request_id="mine") == Identity("mine", TRACE)


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE[1:]}-{PARENT}-01",
        "garbage",
        "",
    ],
)
def test_one_that_is_none_is_ignored(traceparent: str) -> None:
    identity = identify(traceparent=traceparent)
    assert identity.trace is None
    assert identity.id != TRACE
    assert MADE.fullmatch(identity.id)


def test_a_process_that_was_forked_makes_others() -> None:
    """As the service's workers do, after `begin`; without it they would make the same."""
    ids = RequestIds()
    for anew in (True, False):
        read, write = os.pipe()
        if not os.fork():
            if anew:
                ids.begin()
            os.write(write, ids.identify([]).id.encode())
            os._exit(0)
        os.wait()
        assert (os.read(read, 100).decode() != ids.identify([]).id) is anew
        os.close(read)
        os.close(write)


@pytest.fixture(scope="module")
def service(tiny_models: object) -> Iterator[tuple[str, int]]:
    """The URL and the gRPC port of two workers."""
    port = free_port()
    with two_workers(tiny_models, MAXPOOL_GRPC_PORT=str(port)) as (_, url):  # type: ignore[arg-type]
        yield url, port


def test_two_workers_never_make_the_same(service: tuple[str, int]) -> None:
    url, _ = service
    ids = [httpx2.get(f"{url}{path}").headers["x-request-id"] for _ in range(50) for path in ("/healthz", "/nothing")]
    assert len(set(ids)) == 100
    assert len({each[:16] for each in ids}) == 2  # both have answered


@pytest.mark.parametrize("given", ["mine-1", "x" * 64])
def test_a_good_id_comes_back_with_whatever_answer(service: tuple[str, int], given: str) -> None:
    url, _ = service
    headers = {"x-request-id": given}
    answers = [
        httpx2.post(f"{url}{COLOUR}", content=plain("red"), headers=headers),
        httpx2.post(f"{url}{COLOUR}", content=b"no picture", headers=headers),
        httpx2.post(f"{url}/v1/models/nothing/predict", headers=headers),
        httpx2.get(f"{url}/healthz", headers=headers),
        httpx2.get(f"{url}/nothing", headers=headers),
        httpx2.get(f"{url}/v2", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 404, 200, 404, 200]
    assert {answer.headers["x-request-id"] for answer in answers} == {given}
    assert {len(answer.headers.get_list("x-request-id")) for answer in answers} == {1}


@pytest.mark.parametrize("given", [b"x" * 65, b"\xc3\xbc", b"a b", b"\xff", b"a\x7f"])
def test_a_bad_one_never_comes_back(service: tuple[str, int], given: bytes) -> None:
    url, _ = service
    head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: " + given + b"\r\n\r\n"
    answer = answer_to(url, head)
    (line,) = (each for each in answer.split(b"\r\n") if each.startswith(b"x-request-id: "))
    assert MADE.fullmatch(line.partition(b": ")[2].decode())
    assert given not in answer


def test_grpc_gives_it_back_as_metadata(service: tuple[str, int]) -> None:
    _, port = service
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=30)

        def ask(name: str, **metadata: str) -> str:
            call = channel.unary_unary(f"/{SERVICE}/{name}")
            given = tuple((each.replace("_", "-"), value) for each, value in metadata.items())
            future = call.future(b"", metadata=given, timeout=20)
            future.exception()
            return str(dict(future.trailing_metadata())["x-request-id"])

        for name in ("ServerLive", "ModelInfer", "ModelMetadata", "SystemSharedMemoryStatus"):
            assert ask(name, x_request_id="mine") == "mine"
            assert MADE.fullmatch(ask(name, x_request_id="x" * 65))
            assert ask(name, traceparent=f"00-{TRACE}-{PARENT}-01") == TRACE


def test_of_requests_without_a_trace_a_share_begins_one() -> None:
    for share, least, most in ((0.0, 0, 0), (0.25, 800, 1200), (1.0, 4000, 4000)):
        ids = RequestIds(share)
        found = [ids.identify([]) for _ in range(4000)]
        traced = [each for each in found if each.span]
        assert least <= len(traced) <= most
        assert all(each.id == each.trace and each.parent is None for each in traced)
        assert len({each.id for each in found}) == 4000
        assert {each.trace for each in found if not each.span} <= {None}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_in_a_trace_of_the_clients_its_word_goes_before_the_share(share: float) -> None:
    ids = RequestIds(share)
    for flags, kept in (("00", False), ("02", False), ("01", True), ("ff", True)):
        identity = ids.identify([(b"traceparent", f"00-{TRACE}-{PARENT}-{flags}".encode())])
        assert identity.trace == TRACE
        assert (identity.span is not None, identity.parent) == (kept, PARENT if kept else None)
    assert RequestIds().identify([(b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())]).span is None
