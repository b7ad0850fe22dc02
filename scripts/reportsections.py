"""The report's sections, in their order: a title and what it means on the left, numbers and pictures on the right."""

from collections.abc import Iterable
from typing import Any

from scripts.confusion import macro_f1
from scripts.datasets import Split
from scripts.judgement import TOP, Judgement
from scripts.markup import Markup, element
from scripts.reportplots import plot_epochs, plot_reliability
from scripts.reportrows import least_certain_hits, row_gallery, surest_mistakes
from scripts.reporttables import comparison, confusion_table, count_table, label_table, per_cent, plain_table
from scripts.reportwords import (
    FEW,
    balance_sentence,
    caution_sentence,
    digits,
    interval,
    quoted,
    sizes_sentence,
    temperature_sentence,
)

MISTAKES, HITS = 12, 6
Labels = tuple[str, ...]


def section(title: str, notes: Iterable[str], *content: Markup) -> Markup:
    aside = element("div", element("h2", title), *(element("p", note) for note in notes if note), class_="notes")
    return element("section", aside, element("div", *content, class_="content"))


def headline(judged: Judgement, run: dict[str, Any], labels: Labels, test_name: str) -> Markup:
    """The accuracy, beside what could be had without the net."""
    places = digits(judged.n)
    shares = [("this net", judged.accuracy)]
    if baseline := run.get("baseline"):
        shares.append((baseline["method"], baseline["accuracy"]))
    shares.append((f"always {quoted(labels[judged.usual])}", judged.usual_share))
    tiles = []
    if judged.n >= FEW:
        if judged.top is not None:
            tiles.append((per_cent(judged.top, places), f"the true label is among the {TOP} best"))
        tiles.append((per_cent(macro_f1(judged.label_scores)), "mean F1 of the labels, rare ones counting as much"))
        tiles.append((f"{judged.calibration.ece_after:.3f}", "calibration error of the scores (ECE)"))
    return element(
        "section",
        element(
            "div",
            element("p", "Test accuracy", class_="kicker"),
            element(
                "p",
                per_cent(judged.accuracy, places) if judged.n >= FEW else f"{judged.right} of {judged.n}",
                class_="figure",
            ),
            element("p", f"{interval(judged, places)}, n\u202f=\u202f{judged.n:,}"),
            element("p", test_name),
            class_="notes",
        ),
        element(
            "div",
            comparison(shares, judged.interval, places),
            element("dl", *(element("div", element("dt", a), element("dd", b)) for a, b in tiles), class_="tiles"),
            class_="content",
        ),
    )


def labels_section(judged: Judgement, labels: Labels) -> Markup:
    notes = [
        "Precision: how many of the answers of a label are right. Recall: how many of its rows are found. "
        "F1 is the harmonic mean of the two.",
        caution_sentence(judged),
    ]
    return section("Labels", notes, label_table(judged.label_scores, labels))


def confusions_section(judged: Judgement, labels: Labels) -> Markup:
    notes = ["Test rows.", "The stronger the tint, the larger the share of the true label's rows."]
    return section("Confusions", notes, confusion_table(judged.counts, labels))


def rows_sections(judged: Judgement, test: Split, labels: Labels) -> list[Markup]:
    """Left out where there are none."""
    mistakes = surest_mistakes(judged.scores, test.targets, MISTAKES)
    hits = least_certain_hits(judged.scores, test.targets, HITS)
    told = "Wrong answers with the highest scores. A wrong label in the data would show here, too."
    return [
        section(title, [note], row_gallery(rows, test, judged.scores, labels))
        for title, note, rows in (
            ("Surest mistakes", told, mistakes),
            ("Least certain hits", "Right answers with the lowest scores.", hits),
        )
        if rows
    ]


def calibration_section(given: dict[str, Any], judged: Judgement | None, labels: Labels) -> Markup:
    notes = [
        f"Of all answers with a score of {per_cent(0.8, 0)}, {per_cent(0.8, 0)} should be right. "
        "The calibration error (ECE) is the mean distance from that, over 15 bins of the score.",
        temperature_sentence(given["temperature"]),
        f"Fitted on: {given['data']}.",
    ]
    errors = [["validation", f"{given['ece_before']:.3f}", f"{given['ece_after']:.3f}"]]
    diagram = []
    if judged:
        found = judged.calibration
        errors.append(["test", f"{found.ece_before:.3f}", f"{found.ece_after:.3f}"])
        notes.append(f"On {judged.n:,} rows even perfect scores would show an error of up to {found.by_chance:.3f}.")
        key = legend({"before": "the net alone", "after": "with the temperature", "ideal": "ideal"})
        title = "Reliability diagram of the test rows, before and after the temperature"
        drawn = plot_reliability(title, found.before, found.after, len(labels))
        remark = element("p", "The larger a dot, the more test rows have such a score.", class_="remark")
        diagram.append(element("figure", key, drawn, remark, class_="plot"))
    else:
        notes.append("There are too few test rows to see how true the scores are on rows that the net has not seen.")
    return section(
        "Calibration",
        notes,
        element("div", *diagram, plain_table(["ECE", "before", "after"], errors), class_="plots"),
    )


def legend(kinds: dict[str, str]) -> Markup:
    return element("figcaption", *(element("span", element("i", class_=kind), text) for kind, text in kinds.items()))


def training_section(run: dict[str, Any], curve: list[tuple[float, float, float]]) -> Markup:
    best = run["training"]["best_epoch"]
    train, validation, accuracy = zip(*curve, strict=True)
    losses = {"before": train, "after": validation}
    notes = [
        f"The weights of epoch {best} of {len(curve)} were kept (dotted line), the best by validation accuracy: "
        f"{per_cent(run['validation_accuracy'])}.",
        "The training loss is measured while learning, on rows changed by chance where the recipe says so, "
        "so it may lie above the validation loss.",
    ]
    figures = [
        element(
            "figure",
            legend({"before": "training", "after": "validation"}),
            plot_epochs("Loss of each epoch", losses, best, "cross-entropy", percent=False),
            class_="plot",
        ),
        element(
            "figure",
            legend({"after": "validation"}),
            plot_epochs("Accuracy of each epoch", {"after": accuracy}, best, "right answers, %", percent=True),
            class_="plot",
        ),
    ]
    return section("Learning curves", notes, element("div", *figures, class_="plots"))


def data_section(data: str, found: tuple[str, ...], counts: dict[str, list[int]], labels: Labels) -> Markup:
    sentences = [element("ul", *(element("li", sentence) for sentence in found))] if found else []
    notes = [data, sizes_sentence(counts), balance_sentence(counts, labels)]
    return section("Data", notes, *sentences, count_table(counts, labels))


def settings_section(run: dict[str, Any], hardware: str) -> Markup:
    training = run["training"]
    told = {
        "net": f"{run['net']['name']} ({run['net']['variant']}), {run['net']['parameters']:,} trained parameters",
        "seed": f"{training['seed']}",
        "epochs": f"{training['epochs']}, of which number {training['best_epoch']} was kept",
        "time": f"{training['minutes']} minutes",
        "hardware": hardware,
        "date": training["date"],
        "licence of the data": training["licence"],
        "packages": ", ".join(f"{name} {version}" for name, version in training["packages"].items()),
    }
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in told.items()]
    return section(
        "Settings",
        ["What it takes to train this net again."],
        element("pre", element("code", training["command"])),
        element("dl", *pairs, class_="settings"),
    )
