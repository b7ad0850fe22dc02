"""Many clients at once, each with inputs of its own whose answers are known: every answer belongs to its request, and
what is wrong with one row is told of that row alone.

python -m benchmarks.integrity
python -m benchmarks.integrity --requests 20000
python -m benchmarks.integrity --swapping           a service that swaps two rows of a batch, which must fail

Half of the requests are for a model whose scores are its input (benchmarks.mirror), half for the committed LeNet-5,
whose answers to rows that run alone are the reference.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from benchmarks import mirror
from benchmarks.counters import Counters, at_rest
from benchmarks.gates import Gate, heading, none_of, verdict
from benchmarks.known import DIGITS, REAL, Digits, binary, floats, make_digits, shown
from benchmarks.load import post
from benchmarks.servers import ROOT, Server, faulty, service
from benchmarks.wire import Answer, Wire

WORKERS = 2
CLIENTS = 64
TOLERANCE = 1e-5  # of a score, between a row alone and a row among others; the native dialect rounds to 1e-6
JSON = {"content-type": "application/json"}


@dataclass
class Found:
    answered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    mismatches: list[str] = field(default_factory=list)  # an answer that is not that of its request
    unexpected: list[str] = field(default_factory=list)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="See that every answer belongs to its request.")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--swapping", action="store_true", help="a service that swaps two rows of a batch: must fail")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    print(heading(f"python -m benchmarks.integrity --requests {args.requests}"))
    start = time.monotonic()
    with served(swapping=args.swapping) as server:
        found, counted = measure(server, args.requests)
    print(
        f"{found.answered:,} answers in {time.monotonic() - start:.0f} s, {counted.rows:,} rows in "
        f"{counted.runs:,} runs, outcomes {dict(found.outcomes)}"
    )
    return verdict(gates(found, counted))


@contextmanager
def served(*, swapping: bool = False) -> Iterator[Server]:
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(ROOT / "models" / REAL, models / REAL)
        mirror.write(models, 1)
        with faulty("swapping", models=models) if swapping else service(workers=WORKERS, models=models) as server:
            yield server


def measure(server: Server, requests: int, *, clients: int = CLIENTS) -> tuple[Found, Counters]:
    found = Found()
    asyncio.run(run(server.url, requests, clients, found))
    return found, at_rest(server.url)


def gates(found: Found, counted: Counters) -> list[Gate]:
    shared = counted.rows / max(1, counted.runs)
    return [
        none_of("answers that are another request's", found.mismatches),
        none_of("unexpected outcomes", found.unexpected),
        Gate("rows that shared a run, on the mean", "over 1.5", f"{shared:.2f}", shared > 1.5),
        none_of("requests under way at the end", [f"{counted.under_way:,}"] if counted.under_way else []),
    ]


async def run(url: str, requests: int, clients: int, found: Found) -> None:
    digits = make_digits()

    async def client(number: int) -> None:
        asking = Asking(url, number, found, digits)
        for _ in range(requests // clients):
            await asking.once()
        await asking.wire.close()

    await asyncio.gather(*(client(number) for number in range(clients)))


class Asking:
    """One client: what it asks is known to it alone, and what it is answered it compares."""

    def __init__(self, url: str, number: int, found: Found, digits: Digits) -> None:
        self.wire = Wire(url)
        self._url = url
        self._number = number
        self._count = 0
        self._found = found
        self._digits = digits
        self._random = random.Random(number)
        self._ways: dict[Callable[[], Awaitable[None]], int] = {
            self.mirrored: 30,
            self.mirrored_binary: 20,
            self.mirrored_several: 15,
            self.digit: 20,
            self.digits_binary: 15,
            self.goes_away: 5,
        }

    async def once(self) -> None:
        (way,) = self._random.choices(list(self._ways), list(self._ways.values()))
        try:
            await way()
        except (OSError, EOFError, TimeoutError) as error:
            self._found.unexpected.append(f"{way.__name__}: {error!r}")
            await self.wire.close()
        if self._random.random() < 0.05:
            await self.wire.close()  # the next is on a new connection

    def _row(self, *, poison: bool = False) -> bytes:
        """That nobody else sends, ever. The first byte tells a row that the graph fails on."""
        self._count += 1
        told = b"%c%c" % (self._number, self._random.randrange(256)) + self._count.to_bytes(4, "big")
        return bytes([mirror.POISON if poison else self._random.randrange(mirror.POISON)]) + told + os.urandom(5)

    async def _ask(self, path: str, body: bytes, headers: dict[str, str]) -> Answer | None:
        """None where there was no answer in the time that was asked for."""
        hurried = self._random.random() < 0.1
        if hurried:
            headers = {**headers, "x-request-timeout-ms": str(self._random.choice((1, 3, 10)))}
        answer = await self.wire.ask(post(f"{self._url}{path}", body, headers))
        self._found.answered += 1
        self._found.outcomes[f"{answer.status}"] += 1
        return None if hurried and answer.status in (503, 504) else answer

    def _expect(self, answer: Answer, status: int) -> bool:
        if answer.status != status:
            self._found.unexpected.append(f"{answer.status} instead of {status}: {answer.body[:200]!r}")
        return answer.status == status

    def _compare(self, what: str, got: object, expected: object) -> None:
        if got != expected:
            self._found.mismatches.append(f"{what}: {got!r} instead of {expected!r}")

    async def mirrored(self) -> None:
        row = self._row(poison=self._random.random() < 0.02)
        path = f"/v1/models/{mirror.NAME}/predict?top_k={len(mirror.LABELS)}"
        answer = await self._ask(path, mirror.png(mirror.pixels_of(row)), {"content-type": "image/png"})
        if answer and self._expect(answer, 500 if row[0] == mirror.POISON else 200) and answer.status == 200:
            self._compare("a row", shown(answer.json["predictions"][0]), row)

    async def mirrored_binary(self) -> None:
        rows = [self._row() for _ in range(self._random.choice((1, 1, 2, 5)))]
        if self._random.random() < 0.05:
            rows.append(self._row(poison=True))
        answer = await self._ask(*binary(mirror.NAME, np.stack([mirror.pixels_of(row) for row in rows])))
        poisoned = rows[-1][0] == mirror.POISON
        if answer and self._expect(answer, 500 if poisoned else 200) and not poisoned:
            self._compare("rows in binary", [mirror.read(scores)[0] for scores in floats(answer)], rows)

    async def mirrored_several(self) -> None:
        """Some of them no pictures, some such that the graph fails on them: each is told so in its place."""
        rows = [self._row(poison=self._random.random() < 0.1) for _ in range(self._random.randrange(2, 9))]
        broken = [self._random.random() < 0.1 for _ in rows]
        inputs = [
            base64.b64encode(b"none" if bad else mirror.png(mirror.pixels_of(row))).decode()
            for row, bad in zip(rows, broken, strict=True)
        ]
        path = f"/v1/models/{mirror.NAME}/predict?top_k={len(mirror.LABELS)}"
        answer = await self._ask(path, json.dumps({"inputs": inputs}).encode(), JSON)
        if answer and self._expect(answer, 200):
            expected = [
                400 if bad else 500 if row[0] == mirror.POISON else row for row, bad in zip(rows, broken, strict=True)
            ]
            self._compare(
                "rows in JSON", [each.get("code") or shown(each) for each in answer.json["predictions"]], expected
            )

    async def digit(self) -> None:
        at = self._random.randrange(DIGITS)
        answer = await self._ask(
            f"/v1/models/{REAL}/predict?top_k=10", self._digits.encoded[at], {"content-type": "image/png"}
        )
        if answer and self._expect(answer, 200):
            scores = np.zeros((1, 10), np.float32)
            for each in answer.json["predictions"][0]["top"]:
                scores[0, each["index"]] = each["score"]
            self._close("a digit", scores, [at])

    async def digits_binary(self) -> None:
        at = [self._random.randrange(DIGITS) for _ in range(self._random.choice((1, 3, 8)))]
        answer = await self._ask(*binary(REAL, self._digits.pixels[at]))
        if answer and self._expect(answer, 200):
            self._close("digits in binary", floats(answer), at)

    def _close(self, what: str, scores: npt.NDArray[np.float32], at: list[int]) -> None:
        if scores.shape != (len(at), 10) or np.abs(scores - self._digits.scores[at]).max() > TOLERANCE:
            self._found.mismatches.append(f"{what}: not the scores of {at}")

    async def goes_away(self) -> None:
        """With its request sent, or half of it."""
        path, body, headers = binary(mirror.NAME, np.stack([mirror.pixels_of(self._row()) for _ in range(4)]))
        request = post(f"{self._url}{path}", body, headers)
        wire = Wire(self._url)
        await wire.send(request[: len(request) - self._random.choice((0, 0, 10))])
        await wire.close()
        self._found.outcomes["gone away"] += 1


if __name__ == "__main__":
    raise SystemExit(main())
