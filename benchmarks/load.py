"""A closed loop: so many connections, each sending its next request when the last was answered.

By wrk where it is installed, which costs the machine some 10 microseconds a request, else by a loop of our own over raw
sockets, which costs three times as much. Both share the CPUs with what they measure, so ratios are only ever taken
between figures of one generator in one run.
"""

import asyncio
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

WRK = shutil.which("wrk")
PATIENCE = 60  # seconds until wrk gives an answer up
SCRIPT = """
local requests, turn = {}, 0
for at, path in ipairs({%s}) do
  local file = assert(io.open(path, "rb"))
  requests[at] = file:read("*a")
  file:close()
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\\nRESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed, errors.status))
end
"""


@dataclass(frozen=True)
class Load:
    requests: int  # answered
    seconds: float
    p50: float  # seconds
    p99: float
    failures: int
    refused: int  # of the failures those that were answered, with another status than 200

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class RequestsFailed(Exception):
    pass


def generator() -> str:
    return "wrk" if WRK else "benchmarks.load in Python (wrk is not installed)"


def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one request."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(
    url: str, bodies: list[bytes], headers: dict[str, str], *, connections: int, seconds: float, enough: int = 0
) -> Load:
    """Once more for twice as long until enough requests were answered to tell a rate. Raises RequestsFailed when any
    answer was not a 200: then nothing was measured."""
    requests = [post(url, body, headers) for body in bodies]
    while not (load := replay(url, requests, connections=connections, seconds=seconds)).failures:
        if load.requests >= enough:
            break
        seconds *= 2
    if load.failures or not load.requests:
        raise RequestsFailed(f"{url}: {load.failures} requests of {load.requests} failed, so nothing was measured")
    return load


def replay(url: str, requests: list[bytes], *, connections: int, seconds: float) -> Load:
    """Over and over, whatever the answers are. All requests are for the host of the URL."""
    if WRK:
        return by_wrk(WRK, url, requests, connections, seconds)
    return asyncio.run(closed_loop(url, requests, connections=connections, seconds=seconds))


def by_wrk(wrk: str, url: str, requests: list[bytes], connections: int, seconds: float) -> Load:
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / str(at) for at in range(len(requests))]
        for path, request in zip(paths, requests, strict=True):
            path.write_bytes(request)
        script = Path(folder) / "post.lua"
        script.write_text(SCRIPT % ", ".join(f'"{path}"' for path in paths))
        # wrk takes whole seconds only, and its clock starts when all connections are open.
        options = ["-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", f"{PATIENCE}s"]
        told = subprocess.run([wrk, *options, "-s", str(script), url], capture_output=True, text=True)
    found = [line.split()[1:] for line in told.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RequestsFailed(f"wrk ended with {told.returncode}: {(told.stderr or told.stdout).strip()}")
    answered, duration, p50, p99, failures, refused = map(int, found[0])
    return Load(answered, duration / 1e6, p50 / 1e6, p99 / 1e6, failures, refused)


async def closed_loop(url: str, requests: list[bytes], *, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    latencies: list[float] = []
    failures = 0
    start = time.monotonic()

    async def connection(number: int) -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        turn = number
        while (sent := time.monotonic()) < start + seconds:
            writer.write(requests[turn % len(requests)])
            turn += 1
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            latencies.append(time.monotonic() - sent)
            failures += not head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection(number) for number in range(connections)))
    ordered = sorted(latencies)
    p99 = ordered[int(len(ordered) * 0.99)]
    return Load(len(ordered), time.monotonic() - start, median(ordered), p99, failures, refused=failures)
