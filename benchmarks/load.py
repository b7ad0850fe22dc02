"""A closed loop over raw sockets: so many connections, each sending its next request when the last was answered.

Costs the machine some 20 microseconds a request, less than any HTTP client library, and more than a tool in C would;
the same for everything that is compared.
"""

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    requests_per_second: float
    p50: float  # seconds
    p99: float
    failures: int


def post(url: str, body: bytes, content_type: str) -> bytes:
    """The bytes of one request."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: {content_type}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def measure(url: str, bodies: list[bytes], content_type: str, *, connections: int, seconds: float) -> Load:
    """Answers of the second half only, when everything is warm."""
    requests = [post(url, body, content_type) for body in bodies]
    return asyncio.run(closed_loop(url, requests, connections=connections, seconds=seconds))


async def closed_loop(url: str, requests: list[bytes], *, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    start = time.monotonic()
    counted_from, end = start + seconds / 2, start + seconds
    latencies: list[float] = []
    failures = 0

    async def connection(number: int) -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        turn = number
        while (sent := time.monotonic()) < end:
            writer.write(requests[turn % len(requests)])
            turn += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            if sent >= counted_from:
                latencies.append(time.monotonic() - sent)
                failures += not head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection(number) for number in range(connections)))
    ordered = sorted(latencies)
    return Load(len(ordered) / (seconds / 2), median(ordered), ordered[int(len(ordered) * 0.99)], failures)
