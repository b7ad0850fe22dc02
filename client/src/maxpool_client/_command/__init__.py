"""maxpool classify lenet5-mnist digits/*.png
maxpool classify textcnn-rt "an utter joy" "two hours too long"
maxpool classify textcnn-rt - < sentences.txt
maxpool models

exit status: 0 all answered, 1 some input refused, 2 wrong usage or no service
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from maxpool_client._client import LOCAL, Client
from maxpool_client._core import MAX_INPUTS
from maxpool_client._errors import MaxpoolError
from maxpool_client._types import Prediction, Refused

WIDEST_INPUT = 60


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        with Client(args.url, timeout=args.timeout) as client:
            status: int = args.run(client, args)
            sys.stdout.flush()
            return status
    except BrokenPipeError:  # `maxpool … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MaxpoolError, OSError, ValueError) as error:
        print(f"maxpool: {error}", file=sys.stderr)
        return 2


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--url", default=os.environ.get("MAXPOOL_URL") or LOCAL, help="of the service; MAXPOOL_URL, or %(default)s"
    )
    shared.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for an answer (%(default)s)")
    shared.add_argument("--json", action="store_true", help="a JSON object a line")

    parser = argparse.ArgumentParser(
        prog="maxpool", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("classify", parents=[shared], help="label pictures or sentences")
    command.add_argument("model")
    command.add_argument("inputs", nargs="+", metavar="input", help="a picture's path, a sentence, or - for stdin")
    command.add_argument("--top-k", type=int, default=1, help="labels to show for each input (%(default)s)")
    command.add_argument("--version", help="of the model; the newest if not given")
    command.set_defaults(run=classify)

    command = commands.add_parser("models", parents=[shared], help="list what the service has")
    command.set_defaults(run=models)
    return parser.parse_args(argv)


def classify(client: Client, args: argparse.Namespace) -> int:
    inputs = list(read_inputs(args.inputs))
    names = [shortened(given) for given in inputs]
    name_width = max(map(len, names), default=0)
    label_width = 0
    refused = False
    # A request's worth at a time, so that lines appear while the rest is still on its way.
    for start in range(0, len(inputs), MAX_INPUTS):
        given = inputs[start : start + MAX_INPUTS]
        answers = client.classify(args.model, given, top_k=args.top_k, version=args.version)
        refused |= any(isinstance(answer, Refused) for answer in answers)
        if args.json:
            for one, answer in zip(given, answers, strict=True):
                print(json.dumps(as_json(one, answer), ensure_ascii=False))
            continue
        label_width = max([label_width, *(len(s.label) for a in answers if isinstance(a, Prediction) for s in a.top)])
        for name, answer in zip(names[start : start + MAX_INPUTS], answers, strict=True):
            print(f"{name:{name_width}}  {as_text(answer, label_width)}")
    return 1 if refused else 0


def models(client: Client, args: argparse.Namespace) -> int:
    rows = [asdict(model) for model in client.models()]
    if args.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return 0
    cells = [[value or "-" for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row_cells in cells:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row_cells, widths, strict=True)).rstrip())
    return 0


def read_inputs(given: Sequence[str]) -> Iterator[str]:
    for one in given:
        if one == "-":
            yield from (line for line in sys.stdin.read().splitlines() if line.strip())
        else:
            yield one


def shortened(given: str) -> str:
    line = " ".join(given.split())
    return line if len(line) <= WIDEST_INPUT else f"{line[: WIDEST_INPUT - 1]}…"


def as_text(answer: Prediction | Refused, label_width: int) -> str:
    if isinstance(answer, Refused):
        return f"refused ({answer.code}): {answer.error}"
    return "  ".join(f"{s.label:{label_width}}  {s.score:.3f}" for s in answer.top)


def as_json(given: str, answer: Prediction | Refused) -> dict[str, object]:
    if isinstance(answer, Refused):
        return {"input": given, **asdict(answer)}
    return {
        "input": given,
        "label": answer.label,
        "index": answer.index,
        "score": answer.score,
        "top": [asdict(score) for score in answer.top],
        "model": answer.model,
        "version": answer.version,
    }
