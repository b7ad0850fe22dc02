"""maxpool models, maxpool health."""

import argparse
import json
import sys
from dataclasses import asdict

from maxpool_client._client import Client
from maxpool_client._command.tables import RED, in_colour, paint


def models(client: Client, args: argparse.Namespace) -> int:
    rows = [asdict(model) for model in client.models()]
    if args.format == "jsonl":
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return 0
    cells = [[value or "-" for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row_cells in cells:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row_cells, widths, strict=True)).rstrip()
        print(paint(line, "" if row_cells[-1] == "ready" else RED, in_colour(sys.stdout)))
    return 0


def health(client: Client, args: argparse.Namespace) -> int:
    found = client.health()
    print("ready" if found.ready else f"not ready: {found.reason}")
    return 0 if found.ready else 1
