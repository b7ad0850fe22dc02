"""maxpool inspect: a report of one input, asked for in as many pieces as the service's limits want."""

import argparse
from collections.abc import Iterator, Sequence

from maxpool_client._client import Client
from maxpool_client._command.classify import read_inputs
from maxpool_client._command.report import report
from maxpool_client._inspection import Layer

FEW = 32  # layers of which all are shown
TOGETHER = 8  # in a request
CHANNELS = 64
PIXELS = 1_800_000  # of the sheets in a request, the service's limit less what the grid may round up


def inspect(client: Client, args: argparse.Namespace) -> int:
    (given,) = list(read_inputs([args.input]))
    found = client.inspect(
        args.model, given, target=args.target, methods="all", layers="summary", version=args.model_version
    )
    wanted = choose(found.layers, args.layers)
    drawn: list[Layer] = []
    for layers, channels in requests(wanted):
        ids = [layer.id for layer in layers]
        asked = client.inspect(args.model, given, layers=ids, channels=channels, version=args.model_version)
        drawn += asked.layers
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(report(found, drawn))
    print(f"{found.prediction.label} ({found.prediction.score:.1%}), {len(drawn)} layers: {args.out}")
    return 0


def choose(layers: Sequence[Layer], asked: str | None) -> list[Layer]:
    """Raises ValueError for a layer that is none."""
    if asked in (None, "all"):
        if asked == "all" or len(layers) <= FEW:
            return list(layers)
        last = {layer.group: layer.id for layer in layers}
        return [layer for layer in layers if layer.group is None or last[layer.group] == layer.id]
    ids = [each.strip() for each in str(asked).split(",")]
    if unknown := set(ids) - {layer.id for layer in layers}:
        known = ", ".join(layer.id for layer in layers)
        raise ValueError(f"the model has no layer {', '.join(sorted(unknown))}: expected of {known}")
    return [layer for layer in layers if layer.id in ids]


def requests(layers: Sequence[Layer]) -> Iterator[tuple[list[Layer], tuple[int, int] | None]]:
    """Layers to be asked for together; the channels of one that is too large even alone."""
    together: list[Layer] = []
    pixels = 0
    for layer in layers:
        of_map = (layer.height + 1) * (layer.width + 1)
        needs = of_map * min(layer.channels, CHANNELS)
        if needs > PIXELS:
            yield [layer], (0, max(1, PIXELS // of_map))
            continue
        if together and (len(together) == TOGETHER or pixels + needs > PIXELS):
            yield together, None
            together, pixels = [], 0
        together.append(layer)
        pixels += needs
    if together:
        yield together, None
