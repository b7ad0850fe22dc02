"""Score a folder or a tar of pictures, or tables of pictures or sentences: as many rows as there are, on all cores.

python -m scripts.score models/lenet5-mnist/1 scans/ --out scored/
python -m scripts.score models/lenet5-mnist/1 scans.tar.gz --out scored/ --format csv
python -m scripts.score models/textcnn-mr/1 reviews-*.parquet --out scored/ --column text --id review --top-k 2
python -m scripts.score models/textcnn-mr/1 reviews.jsonl --out scored/ --limit-rows 1000

A run that was stopped or killed goes on with the same command. docs/score.md says what is written.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scripts.scoring.inputs import Inputs
from scripts.scoring.output import FORMATS, Output, Refused
from scripts.scoring.pool import score_here, score_in_processes
from scripts.scoring.progress import Progress
from scripts.scoring.run import begin, begun, check_same, held_alone, summarise
from scripts.scoring.scorer import Done, Scorer
from scripts.scoring.shards import Shard, cut
from service.cpus import cpu_count
from service.engine.cost import measure_cost
from service.engine.proof import Proven, prove
from service.engine.rows import read_row, stack
from service.engine.session import choose_provider
from service.errors import ModelRefused, SettingsError
from service.spec import ImageInput

REFUSALS = (OSError, ValueError, ModelRefused, SettingsError, Refused)
SHARD_ROWS = 8192
SHARD_SECONDS = 10  # of one process's work, which is what a kill can cost


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a version folder: models/<name>/<version>")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="input")
    parser.add_argument("--out", type=Path, required=True, help="a folder, new or of the same run")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument("--column", help="of the pictures, their paths or the sentences; else a usual name")
    parser.add_argument("--id", help="column with the rows' ids; else the file and the number of the row")
    parser.add_argument("--top-k", type=positive, default=1, metavar="K", help="labels a row")
    parser.add_argument("--limit-rows", type=positive, metavar="N", help="the first so many")
    parser.add_argument("--batch-rows", type=positive, metavar="N", help="in a run of the graph; else measured")
    parser.add_argument("--shard-rows", type=positive, metavar="N", help="in a file of answers; else measured")
    parser.add_argument("--processes", type=positive, metavar="N", help="else one a core")
    parser.add_argument("--provider", default="auto", help="of ONNX Runtime, as MAXPOOL_PROVIDER has it")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main(arguments: list[str] | None = None) -> int:
    """0: every row is scored; 1: some could not be, errors/ has them; 2: stopped, with the reason."""
    args = parse_args(arguments)
    try:
        with held_alone(args.out):
            summary = score(args)
    except REFUSALS as error:
        print(f"score: {told(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("score: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{summary['scored']:,} of {summary['rows']:,} rows scored, {summary['errors']:,} errors: {args.out}")
    return 1 if summary["errors"] else 0


def score(args: argparse.Namespace) -> dict[str, Any]:
    """Raises REFUSALS."""
    provider = choose_provider(args.provider)
    proven = prove(args.model, provider=provider)
    pictures = isinstance(proven.spec.input, ImageInput)
    inputs = Inputs.find(args.inputs, column=args.column, id_column=args.id, pictures=pictures)
    digest, total_bytes = inputs.survey()
    top_k = min(args.top_k, len(proven.spec.labels))
    before = begun(args.out)
    batch_rows, shard_rows = sizes(proven, args, before)
    asked = {
        "model": f"{proven.spec.name}/{proven.spec.version}",
        "model.json": hashlib.sha256((args.model / "model.json").read_bytes()).hexdigest(),
        "provider": provider,
        "input": digest,
        "--column": args.column,
        "--id": args.id,
        "--format": args.format,
        "--top-k": top_k,
        "--limit-rows": args.limit_rows,
        "--batch-rows": batch_rows,
        "--shard-rows": shard_rows,
    }
    output = Output(args.out.resolve(), args.format, proven.spec.labels, top_k)
    if before is None:
        begin(args.out, asked)
    else:
        check_same(args.out, before, asked)
    output.begin()
    shards = cut(inputs.blocks(shard_rows), shard_rows=shard_rows, limit_rows=args.limit_rows)
    make = partial(Scorer, args.model.resolve(), provider=provider, batch_rows=batch_rows, output=output)
    counts = run(shards, engine(args), make, output, Progress(total_bytes, args.limit_rows))
    if inputs.survey()[0] != digest:
        raise Refused("the input changed while it was scored: choose another --out, and score what is there now")
    return summarise(args.out, rows=counts[0], shards=counts[1])


Engine = Callable[[Iterator[Shard], "partial[Scorer]"], Iterator[Done]]


def engine(args: argparse.Namespace) -> Engine:
    processes = args.processes or cpu_count()
    return score_here if processes == 1 else partial(score_in_processes, processes=processes)


def sizes(proven: Proven, args: argparse.Namespace, before: dict[str, Any] | None) -> tuple[int, int]:
    """Rows of a batch and of a shard: as asked, as the run was begun, or as the service would run them."""
    before = before or {}
    batch, shard = args.batch_rows or before.get("--batch-rows"), args.shard_rows or before.get("--shard-rows")
    if batch is None or shard is None:
        first = read_row(proven.golden[0].input, proven.spec.input)
        cost = measure_cost(lambda rows: proven.session.run(stack([first.row] * rows)), units=first.units)
        batch = batch or cost.max_rows
        in_time = int(SHARD_SECONDS * batch / max(1e-9, cost.seconds(batch, first.units)))
        shard = shard or max(batch, min(SHARD_ROWS, in_time))
    return batch, shard


def run(
    shards: Iterator[Shard], score: Engine, make: "partial[Scorer]", output: Output, progress: Progress
) -> tuple[int, int]:
    """Rows and shards of all, those of earlier runs too."""
    done, rows, count = output.done(), 0, 0

    def missing() -> Iterator[Shard]:
        nonlocal rows, count
        for shard in shards:
            rows, count = rows + shard.rows, count + 1
            if shard.number in done:
                progress.skip(shard.rows, shard.weight)
            else:
                yield shard
        if not count:  # an empty table has an empty answer, with its columns
            count = 1
            yield Shard(0, [])

    for each in score(missing(), make):
        progress.add(each.rows, each.weight, each.errors)
    progress.close()
    return rows, count


def told(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename} can not be read or written: {error.strerror}"
    return str(error)


if __name__ == "__main__":
    raise SystemExit(main())
