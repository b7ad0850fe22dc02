"""A net as boxes, in the manner of the papers: height and depth are the picture's sides, width is how many maps.

Sides are drawn by their square roots and maps by their logarithms, or else the first layers would hide the last.
"""

import math

from scripts.shapes import Row, times

TALLEST, LEAST = 120.0, 5.0  # pixels
DEPTH = 0.35  # of the height
GAP, TOP, BOTTOM = 6.0, 16.0, 58.0
COLUMN = 72.0  # at least, for the words under a box
COLOURS = {"input": "#9aa0a6", "convolution": "#4c8bd6", "pooling": "#e0a63a", "fully": "#5fa777"}
UNDRAWN = ("normalisation", "to this size")  # they leave the shape as it is
STYLE = (
    "text{font:12px sans-serif;fill:#1f2328;text-anchor:middle}.n{font-weight:bold}.w{font-size:10px}"
    "path{stroke:#1f2328;stroke-width:.7;stroke-linejoin:round}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}path{stroke:#0d1117}}"
)


def draw(given: tuple[int, ...], rows: list[Row]) -> str:
    """An SVG of the shapes on the way, from the picture to the labels."""
    shapes = [("input", "picture", given)]
    shapes += [(colour(row), short(row), row.shape) for row in rows if not row.what.endswith(UNDRAWN)]
    widest = max(math.prod(shape[1:]) for _, _, shape in shapes) ** 0.5
    boxes, x = [], GAP
    for kind, name, shape in shapes:
        height = max(LEAST, TALLEST * (math.prod(shape[1:]) ** 0.5 / widest) ** 0.5) if len(shape) > 1 else LEAST
        width = 3 + 4 * math.log2(shape[0] + 1)
        depth = DEPTH * height
        column = max(width + depth, COLUMN)
        boxes.append(box(x + (column - width - depth) / 2, height, width, depth, COLOURS[kind]))
        boxes.append(label(x + column / 2, name, shape))
        x += column + GAP
    height = TOP + TALLEST * (1 + DEPTH) + BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x:.0f} {height:.0f}" width="{x:.0f}">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(boxes) + "\n</svg>\n"
    )


def box(x: float, height: float, width: float, depth: float, fill: str) -> str:
    """All boxes stand around one middle line."""
    top = TOP + (TALLEST * (1 + DEPTH) - height - depth) / 2 + depth
    front = f"M{x:.1f} {top:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
    lid = f"M{x:.1f} {top:.1f}l{depth:.1f} {-depth:.1f}h{width:.1f}l{-depth:.1f} {depth:.1f}z"
    side = f"M{x + width:.1f} {top:.1f}l{depth:.1f} {-depth:.1f}v{height:.1f}l{-depth:.1f} {depth:.1f}z"
    return (
        f'<path d="{front}" fill="{fill}"/><path d="{lid}" fill="{fill}" fill-opacity=".55"/>'
        f'<path d="{side}" fill="{fill}" fill-opacity=".75"/>'
    )


def label(x: float, name: str, shape: tuple[int, ...]) -> str:
    y = TOP + TALLEST * (1 + DEPTH) + 18
    sides = f'<text x="{x:.1f}" y="{y + 15:.1f}">{times(shape[1:])}</text>' if len(shape) > 1 else ""
    return (
        f'<text class="n" x="{x:.1f}" y="{y:.1f}">{shape[0]}</text>{sides}'
        f'<text class="w" x="{x:.1f}" y="{y + 30:.1f}">{name}</text>'
    )


def colour(row: Row) -> str:
    if row.what.startswith(("max pooling", "average pooling", "mean")):
        return "pooling"
    return "fully" if "fully" in row.what else "convolution"


def short(row: Row) -> str:
    if row.module.startswith(("layer", "inception")):
        return row.module.replace("layer", "stage ").replace("inception", "inception ")
    if row.kernel:
        return f"{times(row.kernel)} filters"
    return next(word for word in ("pooling", "mean", "fully connected") if word in row.what)
