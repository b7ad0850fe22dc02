"""maxpool bench: a closed loop of so many connections, each sending its next request when the last was answered."""

import argparse
import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maxpool_client._async_client import AsyncClient
from maxpool_client._client import Client
from maxpool_client._command.classify import read_inputs
from maxpool_client._core import MAX_INPUTS
from maxpool_client._errors import MaxpoolError
from maxpool_client._folders import pictures_in
from maxpool_client._inputs import load, recognise
from maxpool_client._types import Refused


@dataclass
class Found:
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # seconds, of the requests that were answered
    rows: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def percentile(self, percent: float) -> float:
        """The nearest rank, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def bench(client: Client, args: argparse.Namespace) -> int:
    """The one look at the model tells of a wrong name or a service that is away before anything is measured."""
    for option in ("connections", "seconds", "rows"):
        if not getattr(args, option) > 0:
            raise ValueError(f"--{option} is {getattr(args, option)}: expected more than 0")
    if args.rows > MAX_INPUTS:
        raise ValueError(f"--rows is {args.rows}: at most {MAX_INPUTS} inputs travel in one request")
    client.model(args.model)
    inputs = list(loaded(args.inputs))
    found = asyncio.run(closed_loop(args, inputs))
    print(report(found))
    return 1 if found.errors or not found.latencies else 0


def loaded(given: list[str]) -> Iterator[Any]:
    for one in read_inputs(given):
        names = pictures_in(one)
        yield from (load(recognise(each)) for each in (map(Path, names) if names is not None else (one,)))


async def closed_loop(args: argparse.Namespace, inputs: list[Any]) -> Found:
    found = Found()
    turns = itertools.cycle(inputs)
    start = time.perf_counter()

    async def connection(client: AsyncClient) -> None:
        while (sent := time.perf_counter()) < start + args.seconds:
            given = next(turns) if args.rows == 1 else list(itertools.islice(turns, args.rows))
            try:
                answers = await client.classify(args.model, given)
            except MaxpoolError as error:
                found.errors[error.message] += 1
                continue
            found.latencies.append(time.perf_counter() - sent)
            found.rows += args.rows
            for answer in answers if isinstance(answers, list) else ():
                if isinstance(answer, Refused):
                    found.errors[answer.error] += 1

    async with AsyncClient(args.url, api_key=args.api_key, timeout=args.timeout, max_retries=0) as client:
        await asyncio.gather(*(connection(client) for _ in range(args.connections)))
    found.seconds = time.perf_counter() - start
    return found


def report(found: Found) -> str:
    return "\n".join(lines(found))


def lines(found: Found) -> Iterator[str]:
    count = len(found.latencies)
    yield f"requests    {count:,} in {found.seconds:.1f} s: {count / found.seconds:,.1f}/s"
    yield f"rows        {found.rows:,}: {found.rows / found.seconds:,.1f}/s"
    if count:
        percentiles = "  ".join(f"p{percent} {found.percentile(percent) * 1e3:.2f} ms" for percent in (50, 90, 99))
        yield f"latency     {percentiles}"
    yield f"errors      {found.errors.total():,}"
    for message, times in found.errors.most_common(5):
        yield f"            {times:,} x {message}"
