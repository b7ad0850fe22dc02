"""maxpool replay: the same inputs to two versions of a model, or against answers that were kept, and what differs."""

import argparse
import json
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from itertools import tee
from pathlib import Path
from typing import IO, Any

from maxpool_client._client import Client
from maxpool_client._command.classify import STDIN, read_inputs
from maxpool_client._command.tables import shortened
from maxpool_client._replay import Replay
from maxpool_client._types import Prediction, Refused, Score

TOP_K = 10  # of the new version: where the old label's score is looked for
Answer = Prediction | Refused


def replay(client: Client, args: argparse.Namespace) -> int:
    if args.recorded and (len(args.inputs) > 1 or args.old_version):
        raise ValueError("--recorded takes one file, which has the inputs and the old answers: leave out --old-version")
    if not (args.recorded or args.new_url or args.old_version != args.new_version):
        raise ValueError("old and new are the same: say which with --old-version, --new-version or --new-url")
    elsewhere = Client(args.new_url, api_key=args.api_key, timeout=args.timeout) if args.new_url else None
    with elsewhere or nullcontext():
        found = compare(client, elsewhere or client, args)
    with open(args.out, "w", encoding="utf-8") if args.out else nullcontext(sys.stdout) as file:
        write(file, found, args)
    unmet = list(requirements(found, args))
    for sentence in unmet:
        print(f"maxpool: {sentence}", file=sys.stderr)
    return 1 if unmet or found.old.refused or found.new.refused or not found.compared else 0


def compare(old_client: Client, new_client: Client, args: argparse.Namespace) -> Replay:
    found = Replay()
    of_both: dict[str, Any] = {
        "concurrency": args.concurrency,
        "patience": args.patience,
        "top_k": min(TOP_K, len(new_client.model(args.model, version=args.new_version).labels) or 1),
    }
    # Both streams are pulled in turn, so that neither has the machine for itself, nor the inputs far before the other.
    if args.recorded:
        kept, again = tee(read_answers(args.inputs[0]))
        olds: Generator[tuple[Any, Answer], None, None] = (each for each in kept)
        inputs: Iterator[Any] = (given for given, _ in again)
    else:
        first, inputs = tee(read_inputs(args.inputs))
        olds = old_client.classify_many(args.model, first, version=args.old_version, **of_both)
    news = new_client.classify_many(args.model, inputs, version=args.new_version, progress=args.progress, **of_both)
    with closing(olds), closing(news):
        for (given, old), (_, new) in zip(olds, news, strict=True):
            name = STDIN if isinstance(given, bytes) else str(given)
            found.add(name, old, new, Path(name).parent.name if args.truth else None)
    return found


def read_answers(file: str) -> Iterator[tuple[str, Answer]]:
    """Of `maxpool classify --format jsonl`: input and answer. Raises ValueError, naming the line."""
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                kept = json.loads(line)
                given = str(kept["input"])
                if "error" in kept:
                    yield given, Refused(error=kept["error"], code=kept.get("code"))
                    continue
                score = Score(label=kept["label"], index=kept["index"], score=kept["score"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{file}, line {number} is no answer: expected what `maxpool classify --format jsonl` writes"
                ) from None
            yield (
                given,
                Prediction(
                    label=score.label,
                    index=score.index,
                    score=score.score,
                    top=(score,),
                    model=kept["model"],
                    version=kept["version"],
                ),
            )


def requirements(found: Replay, args: argparse.Namespace) -> Iterator[str]:
    """Those that are not met, each with its figure."""
    agreement, ratio = found.agreement, found.latency_ratio
    if args.require_agreement is not None and (agreement is None or agreement < args.require_agreement):
        yield f"agreement is {shown(agreement)}, and {args.require_agreement} is required"
    if args.require_latency_ratio is not None and (ratio is None or ratio > args.require_latency_ratio):
        most = args.require_latency_ratio
        yield f"latency ratio is {shown(ratio)}, and at most {most} is required"


def shown(figure: float | None) -> str:
    return "not known" if figure is None else f"{figure:.4g}"


def write(file: IO[str], found: Replay, args: argparse.Namespace) -> None:
    report = found.report()
    if args.format == "json":
        file.write(json.dumps({"model": args.model, **report}, ensure_ascii=False, indent=2) + "\n")
    else:
        file.write("\n".join(lines(report)) + "\n")


def lines(report: dict[str, Any]) -> Iterator[str]:
    old, new = report["old"], report["new"]
    yield f"versions    {old['version'] or '?'} (old), {new['version'] or '?'} (new)"
    yield f"compared    {report['compared']:,} inputs; refused by old {old['refused']:,}, by new {new['refused']:,}"
    if not report["compared"]:
        return
    low, high = report["agreement_interval"]
    yield f"agreement   {report['agreement']:.2%} ({low:.2%} to {high:.2%}) give the same label"
    shift = report["score_shift"]
    yield f"shift       {shift['mean']:.4f} on average of the old label's score, {shift['max']:.4f} at most"
    if report["latency_ratio"] is not None:
        times = f"{old['infer_ms']:.2f} ms (old), {new['infer_ms']:.2f} ms (new)"
        yield f"runs        {times} a request in the median: {report['latency_ratio']:.2f} times as long"
    if accuracy := report.get("accuracy"):
        yield (
            f"accuracy    {accuracy['old']:.2%} (old), {accuracy['new']:.2%} (new) of {accuracy['inputs']:,}; "
            f"lost {accuracy['lost']:,}, won {accuracy['won']:,}; by chance alone p = {accuracy['p']:.2g}"
        )
    for change in report["changed"][:10]:
        yield f"changed     {change['inputs']:,} x {change['old']} -> {change['new']}"
    for each in report["most_different"]:
        was, now = each["old"], each["new"]
        yield (
            f"different   {shortened(each['input'])}: {was['label']} {was['score']:.3f} -> "
            f"{now['label']} {now['score']:.3f}"
        )
