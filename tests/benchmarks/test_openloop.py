import asyncio
import itertools
import statistics

from benchmarks.load import post
from benchmarks.openloop import NONE, due_times, open_loop, percentile

TEXT = {"content-type": "text/plain"}


def test_arrivals_are_random_at_the_rate_of_each_step_in_turn() -> None:
    due = list(due_times([(100, 10), (1000, 10)], seed=0))
    assert due == sorted(due)
    before = sum(each < 10 for each in due)
    assert 850 < before < 1150
    assert 9500 < len(due) - before < 10_500
    gaps = [after - first for first, after in itertools.pairwise(due[:before])]
    assert 0.8 < statistics.stdev(gaps) / statistics.mean(gaps) < 1.2  # 1 for arrivals that know nothing of each other


def test_who_is_answered_and_who_not_is_told_of_each_request(tiny_url: str) -> None:
    def ask(path: str, patience: float = 20.0) -> list[int]:
        url = f"{tiny_url}{path}"
        outcomes = asyncio.run(open_loop(url, [post(url, b"so it goes", TEXT)], [(50, 1)], patience=patience))
        assert all(each.late >= 0 and each.seconds > each.late for each in outcomes)
        return [each.status for each in outcomes]

    assert set(ask("/v1/models/length/predict")) == {200}
    assert set(ask("/v1/models/none/predict")) == {404}
    assert set(ask("/v1/models/length/predict", patience=1e-6)) == {NONE}


def test_latency_counts_from_when_a_request_was_due() -> None:
    """Of a server that takes one second to accept: whatever is due meanwhile waits, and that is seen."""

    async def ask() -> list[float]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
            outcomes = await open_loop(f"http://127.0.0.1:{port}/", [request], [(100, 0.5)], patience=20)
        assert {each.status for each in outcomes} == {200}
        return [each.seconds for each in outcomes]

    seconds = asyncio.run(ask())
    assert len(seconds) > 20  # a closed loop would have sent two
    assert min(seconds) >= 0.3


def test_a_percentile_of_few_values_is_one_of_them() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.99) == 0.0
