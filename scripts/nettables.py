"""The tables and drawings of docs/nets.md, from the nets themselves.

python -m scripts.nettables

Writes between the page's markers, and docs/nets/*.svg.
"""

import re
from itertools import groupby
from pathlib import Path

import torch

from nets import PICTURE_NETS, TextCNN
from scripts.netdrawing import draw
from scripts.shapes import Row, times, trace

PAGE = Path(__file__).parents[1] / "docs" / "nets.md"
MARKERS = re.compile(r"(<!-- (layers|nets)(?: of (\S+) (\S+))? -->\n)(.*?)(<!-- end -->)", re.DOTALL)
WORDS, SENTENCE = 10_000, 7  # of the vocabulary, and of the sentence that the table of Kim's net follows
PARTS = re.compile(r"layer\d|inception\d\w")  # stages and modules that fill one line of a table
# Each form with the picture that its paper has, and with the labels of the data it was made for.
FORMS: dict[tuple[str, str], tuple[tuple[int, int, int], int]] = {
    ("lenet5", "modern"): ((1, 32, 32), 10),
    ("lenet5", "1998"): ((1, 32, 32), 10),
    ("convnetjs", "demo"): ((3, 32, 32), 10),
    ("alexnet", "paper"): ((3, 227, 227), 1000),
    **{(net, "paper"): ((3, 32, 32), 10) for net in ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")},
    ("alexnet", "torchvision"): ((3, 224, 224), 1000),
    **{
        (net, variant): ((3, 224, 224), 1000)
        for net in ("googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
        for variant in ("paper", "torchvision")
    },
}
DRAWN = (
    *(("lenet5", "modern"), ("convnetjs", "demo"), ("alexnet", "paper"), ("alexnet", "torchvision")),
    *(("googlenet", "paper"), ("resnet18", "paper"), ("resnet152", "paper"), ("resnet20", "paper")),
)


def main() -> int:
    PAGE.write_text(filled(PAGE.read_text()))
    for path, drawing in drawings(PAGE.with_suffix("")).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawing)
    return 0


def rows_of(net: str, variant: str) -> list[Row]:
    if net == "textcnn":
        with torch.device("meta"):
            return trace(TextCNN(WORDS, 2), torch.zeros(1, SENTENCE, dtype=torch.long))
    shape, labels = FORMS[net, variant]
    with torch.device("cpu" if net == "lenet5" else "meta"):  # its table of connections is numbers
        return trace(PICTURE_NETS[net][variant](labels), torch.zeros(1, *shape))


def filled(page: str) -> str:
    """The page with its tables as they are now. Raises KeyError for a net that there is none of."""

    def fill(marker: re.Match[str]) -> str:
        start, what, net, variant, _, end = marker.groups()
        content = table(gathered(rows_of(net, variant))) if what == "layers" else overview()
        return f"{start}\n{content}\n{end}"

    return MARKERS.sub(fill, page)


def drawings(folder: Path) -> dict[Path, str]:
    return {
        folder / f"{net}-{variant}.svg": draw(FORMS[net, variant][0], gathered(rows_of(net, variant)))
        for net, variant in DRAWN
    }


def gathered(rows: list[Row]) -> list[Row]:
    """A stage of residual blocks, and an inception module, as one row."""

    def part(row: Row) -> str | None:
        found = PARTS.match(row.module)
        return found[0] if found else None

    lines: list[Row] = []
    for name, group in groupby(rows, part):
        members = list(group)
        if name is None:
            lines += members
            continue
        what = blocks(members) if name.startswith("layer") else branches(members)
        parameters = sum(row.parameters for row in members)
        multiply_adds = sum(row.multiply_adds for row in members)
        shape = next(row.shape for row in reversed(members) if "downsample" not in row.module)
        lines.append(Row(name, what, shape, parameters, multiply_adds))
    return lines


def blocks(members: list[Row]) -> str:
    *_, last = groupby((row for row in members if "downsample" not in row.module), lambda row: row.module.split(".")[1])
    count = int(last[0]) + 1
    inside = ", ".join(filters(row) for row in members if row.module.split(".")[1] == last[0])
    return f"{count} residual blocks of {inside}"


def branches(members: list[Row]) -> str:
    told = []
    for name, group in groupby((row for row in members if "." in row.module), lambda row: row.module.split(".")[1]):
        pooled = ["pooling"] if name == "branch4" else []
        told.append(", ".join(pooled + [filters(row) for row in group if row.kernel]))
    return "side by side: " + "; ".join(told)


def filters(row: Row) -> str:
    return f"{times(row.kernel)} → {row.shape[0]}"


def table(rows: list[Row]) -> str:
    lines = ["| layer | | output | parameters | multiply-adds |", "| --- | --- | --- | ---: | ---: |"]
    for row in rows:
        numbers = f"{row.parameters:,}" if row.parameters else ""
        work = f"{row.multiply_adds:,}" if row.multiply_adds else ""
        lines.append(f"| {row.module.removesuffix('.conv')} | {row.what} | {times(row.shape)} | {numbers} | {work} |")
    parameters, multiply_adds = total(rows)
    lines.append(f"| **all** | | | **{parameters:,}** | **{multiply_adds:,}** |")
    return "\n".join(lines)


def total(rows: list[Row]) -> tuple[int, int]:
    return sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)


def overview() -> str:
    lines = [
        "| net | form | picture | labels | parameters | multiply-adds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for net, variants in PICTURE_NETS.items():
        for variant in variants:
            shape, labels = FORMS[net, variant]
            parameters, multiply_adds = total(rows_of(net, variant))
            lines.append(f"| {net} | {variant} | {times(shape)} | {labels:,} | {parameters:,} | {multiply_adds:,} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
