"""The report's tables: labels, confusions and rows of data. What is long is folded, so that 1000 labels can be read."""

from collections.abc import Iterable

from scripts.confusion import Counts, LabelScore, confusions
from scripts.markup import Markup, element, join

MATRIX = 20  # labels that a matrix can show
OPEN = 30  # labels of a table that is not folded
WORST = 15  # labels shown of a folded table
LISTED = 20  # confusions
Labels = tuple[str, ...]


def per_cent(share: float | None, digits: int = 1) -> str:
    """77.9 %, a dash for None, and never 100 % for less: 99.97 % is cut to 99.9 %."""
    if share is None:
        return "–"
    rounded = f"{100 * share:.{digits}f}"
    if share < 1 and float(rounded) == 100:
        rounded = f"{100 - 10**-digits:.{digits}f}"
    return f"{rounded}\u202f%"


def name(text: str) -> Markup:
    return element("th", text, scope="row")


def numbers(values: Iterable[str]) -> Markup:
    return join(element("td", value, class_="number") for value in values)


def bar(share: float | None, *marks: Markup) -> Markup:
    return element("td", element("i", style=f"width:{100 * (share or 0):.2f}%"), *marks, class_="bar")


def table(titles: list[str], rows: Iterable[Markup], kind: str, *foot: Markup, words: int = 1) -> Markup:
    """In a frame of its own, in which what is wider than the page moves. The first `words` columns are of words."""
    heads = [
        element("th", title, scope="col", **({} if at < words else {"class_": "number"}))
        for at, title in enumerate(titles)
    ]
    parts = [element("thead", element("tr", *heads)), element("tbody", *rows), *foot]
    return element("div", element("table", *parts, class_=kind), class_="scroll", tabindex="0")


def folded(title: str, content: Markup) -> Markup:
    return element("details", element("summary", title), content)


def plain_table(titles: list[str], rows: list[list[str]]) -> Markup:
    return table(titles, [element("tr", name(first), numbers(rest)) for first, *rest in rows], "plain")


def comparison(shares: list[tuple[str, float]], interval: tuple[float, float], digits: int) -> Markup:
    """A bar a method; the first, which is the net, has its interval."""
    rows: list[Markup] = []
    for method, share in shares:
        place = f"left:{100 * interval[0]:.2f}%;width:{100 * (interval[1] - interval[0]):.2f}%"
        whisker = [] if rows else [element("u", style=place)]
        rows.append(element("tr", name(method), numbers([per_cent(share, digits)]), bar(share, *whisker)))
    return element("table", element("tbody", *rows), class_="comparison")


def label_table(scores: list[LabelScore], labels: Labels) -> Markup:
    """In label order; of many labels the worst first, and all of them folded."""
    if len(scores) <= OPEN:
        return rows_of_labels(scores, labels)
    worst = sorted((score for score in scores if score.f1 is not None), key=lambda score: score.f1 or 0.0)[:WORST]
    return join(
        [
            element("p", f"The {len(worst)} labels of the lowest F1:"),
            rows_of_labels(worst, labels),
            folded(f"All {len(labels)} labels", rows_of_labels(scores, labels)),
        ]
    )


def rows_of_labels(scores: list[LabelScore], labels: Labels) -> Markup:
    rows = [
        element(
            "tr",
            name(labels[score.label]),
            numbers([f"{score.rows:,}", per_cent(score.precision), per_cent(score.recall), per_cent(score.f1)]),
            bar(score.f1),
        )
        for score in scores
    ]
    return table(["label", "rows", "precision", "recall", "F1", ""], rows, "wide")


def confusion_table(counts: Counts, labels: Labels) -> Markup:
    """Up to 20 labels as a matrix; of more, the most frequent confusions as a list."""
    return confusion_matrix_of(counts, labels) if len(labels) <= MATRIX else confusion_list(counts, labels)


def confusion_matrix_of(counts: Counts, labels: Labels) -> Markup:
    turned = [element("th", element("span", label), scope="col", class_="turned") for label in labels]
    rows = []
    for true, row in enumerate(counts.tolist()):
        cells = []
        for answered, count in enumerate(row):
            share = count / max(1, sum(row))
            kind = ("hit" if true == answered else "miss") + (" full" if share > 0.45 else "" if count else " none")
            # 2 % of a row must be seen, so the tint rises faster than the share
            cells.append(element("td", f"{count}", class_=kind, style=f"--tint:{100 * share**0.6:.0f}%"))
        rows.append(element("tr", name(labels[true]), *cells))
    head = element(
        "thead", element("tr", element("th", "true\u00a0↓ answered\u00a0→", class_="corner", scope="col"), *turned)
    )
    return element(
        "div", element("table", head, element("tbody", *rows), class_="matrix"), class_="scroll", tabindex="0"
    )


def confusion_list(counts: Counts, labels: Labels) -> Markup:
    found = confusions(counts)
    if not found:
        return element("p", "None: every test row was answered rightly.")
    rows = []
    for each in found[:LISTED]:
        share = each.rows / int(counts[each.true].sum())
        cells = [name(labels[each.true]), element("td", labels[each.answered])]
        rows.append(element("tr", *cells, numbers([f"{each.rows:,}", per_cent(share)]), bar(share)))
    titles = ["true", "answered", "rows", "of the label's rows", ""]
    shown = f"The {len(rows)} most frequent of {len(found):,} kinds of mistakes:"
    return join([element("p", shown), table(titles, rows, "wide", words=2)])


def count_table(counts: dict[str, list[int]], labels: Labels) -> Markup:
    """Rows of each label in each split. The bar compares the labels in the first split, which trains."""
    first = next(iter(counts.values()))
    rows = [
        element(
            "tr",
            name(label),
            numbers(f"{split[at]:,}" for split in counts.values()),
            bar(first[at] / max(1, *first)),
        )
        for at, label in enumerate(labels)
    ]
    sums = numbers(f"{sum(split):,}" for split in counts.values())
    foot = element("tfoot", element("tr", name("all"), sums, element("td")))
    shown = table(["label", *counts, ""], rows, "wide", foot)
    return shown if len(labels) <= OPEN else folded(f"Rows of all {len(labels)} labels", shown)
