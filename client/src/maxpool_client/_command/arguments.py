"""What may stand on the command line."""

import argparse
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from maxpool_client._client import CONCURRENCY, LOCAL, PATIENCE, TIMEOUT
from maxpool_client._command import bench, catalog, classify, completion, inspect, replay
from maxpool_client._command.tables import FORMATS

EXAMPLES = """examples:
  maxpool classify lenet5-mnist seven.png digits/ 'more/**/*.png'
  maxpool classify textcnn-trec "Who painted the ceiling?" --top-k 2
  maxpool classify textcnn-mr - --format csv --out reviews.csv < reviews.txt
  maxpool inspect convnetjs-cifar10 ship.png --out report.html
  maxpool replay lenet5-mnist digits/ --old-version 1 --new-version 2 --require-agreement 0.99
  maxpool bench lenet5-mnist seven.png --connections 16 --seconds 10
  maxpool models
  source <(maxpool completion bash)

environment: MAXPOOL_URL, MAXPOOL_API_KEY, NO_COLOR
exit status: 0 all right, 1 some input was refused, a requirement is not met or the service is not ready, 2 wrong
usage, 3 no service
"""
CLASSIFY = """each input is a picture's file, a folder (with all below it), a pattern, or a sentence.
- is standard input: one picture, or else one sentence a line."""

REPLAY = """sends the same inputs to two versions of a model, side by side, and says what differs. With --recorded
the old answers are those of a file that `maxpool classify --format jsonl --out FILE` wrote."""


class Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    return parser().parse_args(argv)


def parser() -> argparse.ArgumentParser:
    service = Parser(add_help=False)
    service.add_argument(
        "--url", default=os.environ.get("MAXPOOL_URL") or LOCAL, help="of the service; MAXPOOL_URL, or %(default)s"
    )
    service.add_argument("--api-key", metavar="KEY", help="MAXPOOL_API_KEY, if not given")
    service.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for an answer (%(default)s)"
    )
    service.set_defaults(needs_service=True)

    stream = Parser(add_help=False)
    stream.add_argument("--out", metavar="FILE", help="write there instead of to standard output")
    stream.add_argument(
        "--concurrency", type=int, default=CONCURRENCY, metavar="N", help="requests under way at a time (%(default)s)"
    )
    stream.add_argument(
        "--patience", type=float, default=PATIENCE, metavar="SECONDS", help="for a service that is away (%(default)s)"
    )
    stream.add_argument("--progress", action="store_true", help="a bar on standard error")

    whole = Parser(prog="maxpool", description="Ask a Maxpool service from the shell.", epilog=EXAMPLES)
    whole.add_argument("--version", action="version", version=f"%(prog)s {own_version()}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", dest="command")

    command = commands.add_parser(
        "classify", parents=[service, stream], help="label pictures or sentences", description=CLASSIFY, epilog=EXAMPLES
    )
    command.add_argument("model")
    command.add_argument("inputs", nargs="+", metavar="input", help="a file, folder, pattern, sentence, or -")
    command.add_argument("--top-k", type=int, default=1, metavar="K", help="labels for each input (%(default)s)")
    command.add_argument("--model-version", metavar="VERSION", help="the highest, if not given")
    command.add_argument("--format", choices=FORMATS, default="table", help="of what is written (%(default)s)")
    command.set_defaults(run=classify.classify)

    command = commands.add_parser(
        "inspect", parents=[service], help="a report of what each layer made of an input", epilog=EXAMPLES
    )
    command.add_argument("model")
    command.add_argument("input", help="a picture's file, a sentence, or -")
    command.add_argument("--out", required=True, metavar="FILE", help="of the report, one HTML file with all in it")
    command.add_argument("--target", metavar="LABEL", help="to explain, or its index; the best, if not given")
    command.add_argument("--layers", metavar="IDS", help="by commas, or all; of a deep net the last of each block")
    command.add_argument("--model-version", metavar="VERSION", help="the highest, if not given")
    command.set_defaults(run=inspect.inspect)

    command = commands.add_parser(
        "replay",
        parents=[service, stream],
        help="the same inputs to two versions, and what differs",
        description=REPLAY,
        epilog=EXAMPLES,
    )
    command.add_argument("model")
    command.add_argument("inputs", nargs="+", metavar="input", help="as for classify, or the file of answers")
    command.add_argument("--old-version", metavar="VERSION", help="the one that answers, if not given")
    command.add_argument("--new-version", metavar="VERSION", help="the one that answers, if not given")
    command.add_argument("--new-url", metavar="URL", help="of the service that has the new version, if another")
    command.add_argument("--recorded", action="store_true", help="the one input is a file of answers")
    command.add_argument("--truth", action="store_true", help="the name of a picture's folder is its right label")
    command.add_argument("--require-agreement", type=float, metavar="SHARE", help="or else exit status 1")
    command.add_argument("--require-latency-ratio", type=float, metavar="RATIO", help="at most, or else exit status 1")
    command.add_argument("--format", choices=("table", "json"), default="table", help="(%(default)s)")
    command.set_defaults(run=replay.replay)

    command = commands.add_parser("models", parents=[service], help="list what the service has")
    command.add_argument("--format", choices=("table", "jsonl"), default="table", help="(%(default)s)")
    command.set_defaults(run=catalog.models)

    command = commands.add_parser("health", parents=[service], help="whether the service takes work now")
    command.set_defaults(run=catalog.health)

    command = commands.add_parser(
        "bench", parents=[service], help="how many requests a second, and how long each takes", epilog=EXAMPLES
    )
    command.add_argument("model")
    command.add_argument("inputs", nargs="+", metavar="input", help="as for classify, sent in turn")
    command.add_argument("--connections", type=int, default=8, metavar="N", help="at a time (%(default)s)")
    command.add_argument("--seconds", type=float, default=5.0, metavar="S", help="to go on for (%(default)s)")
    command.add_argument("--rows", type=int, default=1, metavar="N", help="inputs in a request (%(default)s)")
    command.set_defaults(run=bench.bench)

    command = commands.add_parser("completion", help="print a script that completes this command in a shell")
    command.add_argument("shell", choices=completion.SHELLS)
    command.set_defaults(run=lambda args: completion.completion(parser(), args.shell), needs_service=False)
    return whole


def own_version() -> str:
    try:
        return version("maxpool-client")
    except PackageNotFoundError:  # run from a checkout
        return "(not installed)"
