"""What becomes of a connection, told from what its journal has and what the system counted, on real sockets."""

import socket
from collections.abc import Iterator

import pytest

from service.journal import LONGEST, Fate, Journal, Journals, Traffic

Pair = tuple[socket.socket, socket.socket]  # the server's end, the client's


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield server, client


@pytest.fixture
def journals() -> Journals:
    journals = Journals(2)
    for slot in range(2):
        journals[slot].open()
    return journals


def sent(pair: Pair, data: bytes) -> bytes:
    """By the client, and read by a process."""
    server, client = pair
    client.sendall(data)
    return server.recv(len(data), socket.MSG_WAITALL)


def fate(pair: Pair, journals: Journals) -> Fate:
    return journals[0].fate(Traffic.of(pair[0]))


def test_traffic_counts_what_was_read_and_what_was_written(pair: Pair) -> None:
    server, client = pair
    client.sendall(b"x" * 5000)
    server.recv(3000, socket.MSG_WAITALL)
    server.sendall(b"y" * 700)
    assert Traffic.of(server) == Traffic(read=3000, written=700)
    client.recv(700, socket.MSG_WAITALL)
    assert Traffic.of(server) == Traffic(read=3000, written=700)


def test_a_new_connection_is_idle(pair: Pair, journals: Journals) -> None:
    assert fate(pair, journals) is Fate.IDLE


def test_a_part_of_a_request_is_gone_on_with(pair: Pair, journals: Journals) -> None:
    journal = journals[0]
    journal.begin(sent(pair, b"POST "), 0)
    journal.go_on(sent(pair, b"/v1"))
    assert fate(pair, journals) is Fate.BEGUN
    assert journals[0].take() == b"POST /v1"
    assert journals[1].take() == b""


def test_a_whole_request_is_run_again_until_some_of_its_answer_is_out(pair: Pair, journals: Journals) -> None:
    begun(pair, journals)
    assert fate(pair, journals) is Fate.RUN
    assert journals[0].unanswered(0)
    pair[0].sendall(b"HTTP/1.1 200")
    assert fate(pair, journals) is Fate.LOST


def begun(pair: Pair, journals: Journals) -> Journal:
    journal = journals[0]
    journal.begin(sent(pair, b"GET / HTTP/1.1\r\n\r\n"), 0)
    journal.whole()
    return journal


def test_an_answered_request_leaves_the_connection_idle(pair: Pair, journals: Journals) -> None:
    journal = begun(pair, journals)
    journal.answered(12)
    assert fate(pair, journals) is Fate.RUN  # the answer was made and did not go out
    pair[0].sendall(b"HTTP/1.1 200")
    assert fate(pair, journals) is Fate.IDLE
    journals[0].clear()
    assert journals[0].take() == b""
    assert journals[0].written == 12
    assert fate(pair, journals) is Fate.IDLE


def test_what_was_read_and_not_written_down_is_lost(pair: Pair, journals: Journals) -> None:
    begun(pair, journals).answered(12)
    pair[0].sendall(b"HTTP/1.1 200")
    sent(pair, b"GET / HTTP/1.1\r\n\r\n")
    assert fate(pair, journals) is Fate.LOST


def test_what_is_too_long_is_not_kept_and_the_next_request_is(pair: Pair, journals: Journals) -> None:
    journal = journals[0]
    journal.begin(sent(pair, bytes(LONGEST)), 0)
    journal.whole()
    assert fate(pair, journals) is Fate.RUN
    journal.begin(sent(pair, bytes(LONGEST)), 0)
    journal.go_on(sent(pair, b"x"))
    journal.whole()
    assert fate(pair, journals) is Fate.UNKEPT
    journal.begin(sent(pair, b"GET"), 0)
    assert fate(pair, journals) is Fate.BEGUN
    assert journals[1].take() == b""


def test_several_requests_at_once_are_not_kept(pair: Pair, journals: Journals) -> None:
    journal = begun(pair, journals)
    journal.lose()
    assert fate(pair, journals) is Fate.UNKEPT
