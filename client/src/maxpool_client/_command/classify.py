"""maxpool classify: one stream of all inputs, written as the answers come."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from maxpool_client._client import Client
from maxpool_client._command.tables import writer
from maxpool_client._types import Refused

PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


def classify(client: Client, args: argparse.Namespace) -> int:
    refused = False
    answers = client.classify_many(
        args.model,
        read_inputs(args.inputs),
        top_k=args.top_k,
        version=args.model_version,
        patience=args.patience,
        concurrency=args.concurrency,
        progress=args.progress,
    )
    with closing(answers), writer(args.format, args.out) as write:
        for given, answer in answers:
            refused |= isinstance(answer, Refused)
            write(STDIN if isinstance(given, bytes) else str(given), answer)
    return 1 if refused else 0


STDIN = "-"


def read_inputs(given: Sequence[str]) -> Iterator[str | Path | bytes]:
    for one in given:
        if one == STDIN:
            yield from read_stdin()
        else:
            yield Path(one) if os.path.isdir(one) else one


def read_stdin() -> Iterator[str | bytes]:
    """One picture, told by its first bytes, or a sentence a line as the lines come."""
    source = sys.stdin.buffer
    first = source.readline()
    if first.startswith(PICTURE_MAGICS):
        yield first + source.read()
        return
    while first:
        line = first.decode("utf-8", "replace").strip()
        if line:
            yield line
        first = source.readline()
