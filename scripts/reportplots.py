"""The report's plots as inline SVG. Its colours and letters come from report.css, so they follow the reader's theme."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from scripts.calibration import Bin
from scripts.markup import Markup, element, join

WIDTH, HEIGHT = 380, 280
LEFT, RIGHT, TOP, BOTTOM = 54, 368, 14, 236  # of the plotted area
RADIUS = 9  # of a bin that has every row
Point = tuple[float, float]


class Axes:
    """From numbers to places on the paper."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def place(self, point: Point) -> Point:
        (x0, x1), (y0, y1) = self.x, self.y
        across, up = (point[0] - x0) / ((x1 - x0) or 1), (point[1] - y0) / ((y1 - y0) or 1)
        return round(LEFT + across * (RIGHT - LEFT), 1), round(BOTTOM - up * (BOTTOM - TOP), 1)

    def line(self, points: Sequence[Point], kind: str) -> Markup:
        path = " ".join(f"{x},{y}" for x, y in map(self.place, points))
        return element("polyline", points=path, class_=f"line {kind}")

    def dot(self, point: Point, kind: str, radius: float = 3) -> Markup:
        x, y = self.place(point)
        return element("circle", cx=x, cy=y, r=round(radius, 1), class_=f"dot {kind}")

    def frame(self, x_title: str, y_title: str, *, percent: tuple[bool, bool], whole: bool = False) -> Markup:
        """Grid, numbers and titles."""
        parts = []
        for at in ticks(self.x, whole=whole):
            x, _ = self.place((at, self.y[0]))
            parts.append(element("text", number(at, percent[0]), x=x, y=BOTTOM + 17, text_anchor="middle"))
        for at in ticks(self.y):
            _, y = self.place((self.x[0], at))
            parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
            parts.append(element("text", number(at, percent[1]), x=LEFT - 7, y=y + 4, text_anchor="end"))
        middle = (TOP + BOTTOM) / 2
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis"))
        parts.append(element("text", x_title, x=(LEFT + RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle"))
        turned = f"rotate(-90 11 {middle})"
        parts.append(element("text", y_title, x=11, y=middle, text_anchor="middle", transform=turned))
        return join(parts)


def ticks(bounds: tuple[float, float], *, whole: bool = False) -> list[float]:
    found = MaxNLocator(5, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(*bounds)
    return [float(at) for at in found if bounds[0] - 1e-9 <= at <= bounds[1] + 1e-9]


def number(value: float, percent: bool) -> str:
    return f"{100 * value:.4g}" if percent else f"{value:.4g}"


def plot(title: str, *parts: Markup) -> Markup:
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def plot_epochs(title: str, curves: Mapping[str, Sequence[float]], best: int, y_title: str, *, percent: bool) -> Markup:
    """`curves`: kind of line -> one number an epoch. What is not finite, as after a diverged epoch, is left out."""
    lines = {
        kind: [(epoch, value) for epoch, value in enumerate(values, 1) if math.isfinite(value)]
        for kind, values in curves.items()
    }
    values = [value for points in lines.values() for _, value in points] or [0.0]
    margin = 0.06 * (max(values) - min(values)) or 0.05
    last = max(len(each) for each in curves.values())
    top = max(values) + margin
    axes = Axes((1, max(last, 2)), (max(0, min(values) - margin), min(1, top) if percent else top))
    x, _ = axes.place((best, 0))
    marks = [element("line", x1=x, x2=x, y1=TOP, y2=BOTTOM, class_="best")]
    marks += [axes.line(points, kind) for kind, points in lines.items()]
    marks += [axes.dot(point, kind) for kind, points in lines.items() for point in points if point[0] == best]
    return plot(title, axes.frame("epoch", y_title, percent=(False, percent), whole=True), *marks)


def plot_reliability(title: str, before: list[Bin], after: list[Bin], labels: int) -> Markup:
    """Accuracy over confidence (Guo et al. 2017, figure 1). A dot's area is its share of the rows."""
    least = 0.5 if labels == 2 else 0.0  # the highest of K scores is never under 1/K
    axes = Axes((least, 1), (0, 1))
    marks = [axes.line([(least, least), (1, 1)], "ideal")]
    for kind, bins in (("before", before), ("after", after)):
        rows = sum(bin_.rows for bin_ in bins)
        marks.append(axes.line([(bin_.confidence, bin_.accuracy) for bin_ in bins], kind))
        for bin_ in bins:
            radius = max(1.5, RADIUS * math.sqrt(bin_.rows / rows))
            marks.append(axes.dot((bin_.confidence, bin_.accuracy), kind, radius))
    return plot(title, axes.frame("score of the answer, %", "right answers, %", percent=(True, True)), *marks)
