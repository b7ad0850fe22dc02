"""What a client may do to a service, the good, the bad and the crashing: each once, told to a tally."""

import asyncio
import random
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from benchmarks.bodies import SENTENCE
from benchmarks.mix import Case, tensor
from benchmarks.servers import Server
from benchmarks.tally import Tally
from benchmarks.wire import Answer, Wire
from service.protocols.oip_messages import SERVICE, message_class, read_message

GET = "GET {} HTTP/1.1\r\nhost: x\r\n\r\n"
SEVERAL = (" x ", "photo", "pixels")  # in a case's name
CODES = {grpc.StatusCode.OK: 200, grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.NOT_FOUND: 404}
CHUNK = 700  # bytes
# It sends the request so many times, each on a connection of its own and the last one not to its end, and waits to be
# killed.
CRASHING = """
import socket, sys
host, port, count, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
request = sys.stdin.buffer.read(length)
kept = [socket.create_connection((host, port)) for _ in range(count)]
for connection in kept[1:]:
    connection.sendall(request)
kept[0].sendall(request[:-1])
print("sent", flush=True)
sys.stdin.buffer.read()
"""
CRASHES = 4  # connections of a crashing client


@dataclass
class Client:
    """One caller with a connection that it keeps, and what all of them share."""

    server: Server
    cases: list[Case]
    tally: Tally
    random: random.Random
    infer: Callable[[bytes], Awaitable[bytes]] | None  # over gRPC
    wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Wire(self.server.url)
        self._cases: defaultdict[tuple[bool, bool], list[Case]] = defaultdict(list)
        for case in self.cases:
            self._cases[case.status == 200, any(word in case.what for word in SEVERAL)].append(case)

    def choose(self, *, good: bool, several: bool = False) -> Case:
        return self.random.choice(self._cases[good, several])

    def expect(self, what: str, answer: Answer, *codes: int) -> None:
        if answer.status not in codes:
            self.tally.unexpected.append(f"{what}: {answer.status} {answer.body[:200]!r}")

    async def ask(self, case: Case) -> None:
        answer = await self.wire.ask(case.request)
        self.tally.answered[answer.status] += 1
        self.expect(case.what, answer, case.status)


async def good(client: Client) -> None:
    await client.ask(client.choose(good=True))


async def several(client: Client) -> None:
    await client.ask(client.choose(good=True, several=True))


async def bad(client: Client) -> None:
    await client.ask(client.choose(good=False))


async def late(client: Client) -> None:
    """Less time than it takes, mostly."""
    request = tensor(client.server.url, "resnet20-cifar10", 32, client.random.choice((1, 4, 8)))
    line = f"x-request-timeout-ms: {client.random.choice((1, 2, 5, 20))}\r\n".encode()
    answer = await client.wire.ask(request.replace(b"content-length", line + b"content-length", 1))
    client.tally.answered[answer.status] += 1
    client.expect("too little time", answer, 200, 503, 504)


async def new_connection(client: Client) -> None:
    case = client.choose(good=True)
    wire = Wire(client.server.url)
    answer = await wire.ask(case.request.replace(b"content-length", b"connection: close\r\ncontent-length", 1))
    client.tally.answered[answer.status] += 1
    client.expect(case.what, answer, 200)


async def chunked(client: Client) -> None:
    case = client.choose(good=True)
    head, _, body = case.request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
    parts = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    request = b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", chunks + b"0\r\n\r\n"])
    answer = await client.wire.ask(request)
    client.tally.answered[answer.status] += 1
    client.expect("in chunks", answer, 200)


async def goes_away(client: Client) -> None:
    """All is sent, and nobody waits."""
    wire = Wire(client.server.url)
    await wire.send(client.choose(good=True, several=client.random.random() < 0.3).request)
    await asyncio.sleep(client.random.choice((0, 0, 0.001, 0.01)))
    await wire.close()
    client.tally.abandoned += 1


async def cut_off(client: Client) -> None:
    """The end of the body never comes."""
    wire = Wire(client.server.url)
    request = client.choose(good=True, several=True).request
    head = request.index(b"\r\n\r\n") + 4
    await wire.send(request[: client.random.randrange(head, len(request))])
    await wire.close()
    client.tally.abandoned += 1
    client.tally.cut += 1


async def crashes(client: Client) -> None:
    """A process that is killed amid its requests."""
    host, _, port = client.server.url.removeprefix("http://").partition(":")
    request = client.choose(good=True, several=True).request
    command = [sys.executable, "-I", "-S", "-c", CRASHING, host, port, str(CRASHES), str(len(request))]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    await process.stdin.drain()
    said = await process.stdout.readline()
    process.kill()
    await process.wait()
    if said.strip() == b"sent":
        client.tally.abandoned += CRASHES
        client.tally.cut += 1
    else:
        client.tally.unexpected.append("the crashing client failed before it crashed")


async def no_request(client: Client) -> None:
    """What the connection itself answers."""
    head, status = client.random.choice(
        ((f"POST /v1/models/none/predict HTTP/1.1\r\nx: {'x' * 40_000}\r\n\r\n", 431), ("GET / HTTP/1.1\r\n\r\n", 400))
    )
    wire = Wire(client.server.url)
    answer = await wire.ask(head.encode())
    client.tally.refused_connections[answer.status] += 1
    client.expect("no request", answer, status)


async def scrape(client: Client) -> None:
    for path in ("/metrics", "/readyz", "/v2/models/stats"):
        answer = await client.wire.ask(GET.format(path).encode())
        client.tally.others += 1
        client.expect(path, answer, 200)


async def over_grpc(client: Client) -> None:
    if client.infer is None:
        return
    model, shape, status = client.random.choice((("textcnn-mr", 1, 200), ("textcnn-mr", 2, 400), ("none", 1, 404)))
    contents = {"bytes_contents": [SENTENCE.encode()]}
    given = {"name": "sentence", "datatype": "BYTES", "shape": [shape], "contents": contents}
    request: Any = message_class("ModelInferRequest")(model_name=model, inputs=[given])
    code = grpc.StatusCode.OK
    try:
        body = await client.infer(request.SerializeToString())
        if read_message(message_class("ModelInferResponse"), body).model_name != model:
            client.tally.unexpected.append("gRPC: the answer of another model")
    except grpc.aio.AioRpcError as error:
        code = error.code()
    client.tally.answered[CODES.get(code, 500)] += 1
    if CODES.get(code) != status:
        client.tally.unexpected.append(f"gRPC: {code} instead of {status}")


WEIGHTS: dict[Callable[[Client], Awaitable[None]], int] = {
    good: 200,
    several: 15,
    bad: 40,
    late: 10,
    new_connection: 20,
    chunked: 10,
    goes_away: 20,
    cut_off: 10,
    crashes: 1,
    no_request: 4,
    scrape: 1,
    over_grpc: 20,
}


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[grpc.aio.Channel | None]:
    if not server.grpc_port:
        yield None
        return
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield channel


def clients(server: Server, cases: list[Case], tally: Tally, count: int, channel: Any) -> list[Client]:
    infer = channel.unary_unary(f"/{SERVICE}/ModelInfer") if channel is not None else None
    return [Client(server, cases, tally, random.Random(number), infer) for number in range(count)]


async def play(client: Client, scenario: Callable[[Client], Awaitable[None]]) -> None:
    """An answer that never comes, or a connection that ends before it, is nothing that a scenario expects."""
    client.tally.ran[scenario.__name__] += 1
    try:
        await scenario(client)
    except (OSError, EOFError, TimeoutError) as error:
        client.tally.unexpected.append(f"{scenario.__name__}: {error!r}")
        await client.wire.close()
