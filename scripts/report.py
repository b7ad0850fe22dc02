"""The one page that a training run ends with: report.html, in which everything is, without scripts or other files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.datasets import Split
from scripts.judgement import judge
from scripts.markup import Markup, element
from scripts.reportsections import (
    calibration_section,
    confusions_section,
    data_section,
    headline,
    labels_section,
    rows_sections,
    settings_section,
    training_section,
)
from scripts.reportwords import FEW, shortened, summary

# A browser then refuses whatever is not in the page itself.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Report:
    title: str
    run: dict[str, Any]  # what scripts/train.py writes as run.json
    found: tuple[str, ...]  # sentences on what was found in the data
    counts: dict[str, dict[str, int]]  # split -> label -> rows, the training split first
    curve: list[tuple[float, float, float]]  # an epoch: training loss, validation loss, validation accuracy
    test: Split
    logits: npt.NDArray[np.float32]  # N x K of the test rows, before the temperature
    hardware: str


def write_report(report: Report, path: Path) -> None:
    """Text from the data and the labels is escaped, whatever it holds."""
    path.write_text("<!doctype html>\n" + page(report) + "\n", encoding="utf-8")


def page(report: Report) -> Markup:
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("title", f"{report.title}: training report"),
            element("style", Markup(style)),
        ),
        body(report),
        lang="en",
    )


def body(report: Report) -> Markup:
    """What the number of test rows allows to be said, and no more."""
    run, labels, test = report.run, tuple(map(shortened, report.run["labels"])), report.test
    counts = {split: [rows.get(label, 0) for label in run["labels"]] for split, rows in report.counts.items()}
    judged = judge(report.logits, test.targets, temperature=run["calibration"]["temperature"]) if len(test) else None
    enough = judged if judged and judged.n >= FEW else None
    sections = []
    if judged:
        sections.append(headline(judged, run, labels, test.name))
    if enough:
        sections.append(labels_section(enough, labels))
    if judged:
        sections += [confusions_section(judged, labels), *rows_sections(judged, test, labels)]
    sections += [
        calibration_section(run["calibration"], enough, labels),
        training_section(run, report.curve),
        data_section(run["training"]["data"], report.found, counts, labels),
        settings_section(run, report.hardware),
    ]
    return element(
        "body",
        element(
            "header",
            element("p", f"Training report, {run['training']['date']}", class_="kicker"),
            element("h1", report.title),
            *(element("p", sentence, class_="summary") for sentence in summary(judged, run, labels)),
        ),
        element("main", *sections),
    )
