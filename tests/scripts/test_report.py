import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.calibration import error_by_chance, expected_calibration_error, reliability, softmax
from scripts.confusion import Confusion, LabelScore, confusion_matrix, confusions, label_scores, macro_f1, most_mixed
from scripts.datasets import Split
from scripts.hardware import hardware
from scripts.judgement import judge, top_share
from scripts.markup import element
from scripts.report import Report, write_report
from scripts.reportrows import least_certain_hits, surest_mistakes
from scripts.reporttables import per_cent
from scripts.reportwords import balance_sentence, temperature_sentence
from service.cpus import cpu_count

HOSTILE = "<script>alert('x')</script>\"&"
TARGETS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
ANSWERS = np.array([0, 0, 0, 1, 1, 1, 0, 2, 2, 1])


def run_of(labels: tuple[str, ...], **changed: Any) -> dict[str, Any]:
    run = {
        "net": {"name": "lenet5", "variant": "modern", "parameters": 61_706},
        "labels": labels,
        "calibration": {"temperature": 2.0, "data": "bars, validation", "ece_before": 0.1, "ece_after": 0.05},
        "validation_accuracy": 0.75,
        "baseline": {"method": "nearest class mean of the pixels", "data": "bars, test", "accuracy": 0.4},
        "training": {
            "data": "tiny bars",
            "split_sizes": {"train": 400},
            "command": "python -m scripts.train --net lenet5 --data bars",
            "seed": 7,
            "epochs": 3,
            "best_epoch": 2,
            "minutes": 0.1,
            "date": "2026-11-24",
            "packages": {"torch": "2.13.0"},
            "licence": "ours",
        },
    }
    return run | changed


def logits_of(answers: np.ndarray, labels: int, margin: float = 2.0) -> np.ndarray:
    logits = np.zeros((len(answers), labels), np.float32)
    logits[np.arange(len(answers)), answers] = margin
    return logits


def report_of(labels: tuple[str, ...], targets: np.ndarray, answers: np.ndarray, rows: Any = None) -> Report:
    if rows is None:
        rows = np.random.default_rng(0).integers(0, 256, (len(targets), 8, 8, 3), dtype=np.uint8)
    return Report(
        title="Tiny bars",
        run=run_of(labels),
        found=("400 rows of 10 labels.",),
        counts={"train": dict.fromkeys(labels, 40), "test": dict.fromkeys(labels, 4)},
        curve=[(2.0, 1.9, 0.5), (1.0, 1.2, 0.75), (0.5, 1.3, 0.7)],
        test=Split("bars, test", rows, targets),
        logits=logits_of(answers, len(labels)),
        hardware="one core",
    )


def some(n: int, labels: int, *, right: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets of every label, and answers of which a share is right."""
    random = np.random.default_rng(seed)
    targets = np.resize(np.arange(labels), n)
    return targets, np.where(random.random(n) < right, targets, (targets + 1) % labels)


class Page(HTMLParser):
    """What a written page holds; fails on anything that it would have to fetch or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        if tag not in ("br", "img", "meta"):
            self.open.append(tag)
        assert tag not in ("script", "link", "iframe", "object", "embed", "use", "base", "form")
        assert not {name for name in given if name.startswith("on") or name in ("href", "srcset", "xlink:href")}
        if "src" in given:
            assert tag == "img"
            assert (given["src"] or "").startswith("data:image/png;base64,")
            self.pictures.append(given)
        assert "url(" not in (given.get("style") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            assert "url(" not in data
            assert "@import" not in data
        elif data.strip():
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words).replace("\u202f", " ")


def written(report: Report, folder: Path) -> Page:
    write_report(report, folder / "report.html")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in html
    assert "https://" not in html
    return Page(html)


def test_precision_recall_and_f1_are_those_counted_by_hand() -> None:
    counts = confusion_matrix(TARGETS, ANSWERS, 3)
    assert counts.tolist() == [[3, 1, 0], [1, 2, 0], [0, 1, 2]]
    scores = label_scores(counts)
    assert scores[0] == LabelScore(0, rows=4, precision=3 / 4, recall=3 / 4, f1=3 / 4)
    assert scores[1] == LabelScore(1, rows=3, precision=2 / 4, recall=2 / 3, f1=4 / 7)
    assert scores[2] == LabelScore(2, rows=3, precision=1.0, recall=2 / 3, f1=4 / 5)
    assert macro_f1(scores) == pytest.approx((3 / 4 + 4 / 7 + 4 / 5) / 3)
    assert most_mixed(counts) == (0, 1)
    assert confusions(confusion_matrix(TARGETS, np.array([0, 1, 1, 1, 1, 1, 0, 2, 2, 2]), 3)) == [
        Confusion(true=0, answered=1, rows=3),
        Confusion(true=1, answered=0, rows=1),
    ]


def test_nothing_is_said_of_a_label_without_rows() -> None:
    missing, unanswered = label_scores(confusion_matrix(np.array([1, 1]), np.array([0, 0]), 2))
    assert missing == LabelScore(0, rows=0, precision=None, recall=None, f1=None)
    assert unanswered == LabelScore(1, rows=2, precision=None, recall=0.0, f1=0.0)
    assert macro_f1([missing, unanswered]) == 0.0


def test_the_judgement_divides_by_the_temperature() -> None:
    judged = judge(logits_of(ANSWERS, 3), TARGETS, temperature=2.0)
    sure, after = np.exp(2) / (np.exp(2) + 2), np.exp(1) / (np.exp(1) + 2)
    assert judged.accuracy == 0.7
    assert judged.interval == (0.3968, 0.8922)
    assert judged.usual_share == 0.4
    assert judged.calibration.ece_before == pytest.approx(sure - 0.7)
    assert judged.calibration.ece_after == pytest.approx(0.7 - after)
    assert judged.calibration.too_sure == pytest.approx(after - 0.7)
    assert judged.top is None


def test_the_reliability_bins_are_those_counted_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.88, 0.12], [0.6, 0.4]])
    low, high = reliability(scores, np.array([0, 0, 0, 0]), bins=5)
    assert (low.rows, low.confidence, low.accuracy) == (1, pytest.approx(0.6), 1.0)
    assert (high.rows, high.confidence, high.accuracy) == (3, pytest.approx(0.8933, abs=1e-4), pytest.approx(2 / 3))
    expected = 1 / 4 * 0.4 + 3 / 4 * (0.89333 - 2 / 3)
    assert expected_calibration_error(scores, np.array([0, 0, 0, 0]), bins=5) == pytest.approx(expected, abs=1e-4)


def test_an_error_by_chance_falls_with_the_rows_and_covers_calibrated_scores() -> None:
    random = np.random.default_rng(3)
    scores = softmax(random.normal(size=(5000, 3)) * 2)
    targets = np.array([random.choice(3, p=row) for row in scores])
    assert error_by_chance(scores) < error_by_chance(scores[:200]) / 3
    assert expected_calibration_error(scores, targets) < error_by_chance(scores)
    sharper = softmax(np.log(scores) * 3)
    assert expected_calibration_error(sharper, targets) > 3 * error_by_chance(sharper)


def test_top_5_counts_the_labels_that_score_higher() -> None:
    logits = np.tile(np.arange(12, dtype=np.float32), (4, 1))
    assert top_share(logits, np.array([11, 7, 6, 0]), 5) == 0.5


def test_rows_are_chosen_by_their_scores() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45], [0.3, 0.7]])
    targets = np.array([1, 1, 1, 0, 0])
    assert surest_mistakes(scores, targets, 2) == [0, 4]
    assert surest_mistakes(scores, targets, 9) == [0, 4, 1]
    assert least_certain_hits(scores, targets, 9) == [3, 2]


@pytest.mark.parametrize(
    ("share", "shown"), [(0.7792, "77.9"), (0.99996, "99.9"), (1.0, "100.0"), (0.0, "0.0"), (0.99949, "99.9")]
)
def test_a_share_is_never_rounded_up_to_all(share: float, shown: str) -> None:
    assert per_cent(share) == f"{shown}\u202f%"


def test_text_is_escaped_unless_it_is_markup() -> None:
    inner = element("b", "<&>", title='"')
    assert inner == '<b title="&quot;">&lt;&amp;&gt;</b>'
    assert element("p", inner, "<i>") == f"<p>{inner}&lt;i&gt;</p>"


def test_the_page_says_what_was_counted(tmp_path: Path) -> None:
    targets, answers = some(300, 3, right=0.8)
    page = written(report_of(("ant", "bee", "cow"), targets, answers), tmp_path)
    right = int((targets == answers).sum())
    assert f"It gets {100 * right / 300:.1f} % of 300 test rows right" in page.text
    assert "against 40.0 % for the baseline, nearest class mean of the pixels." in page.text
    for expected in ("0.100", "0.050", "61,706", "one core", "400 rows of 10 labels.", "torch 2.13.0", "dividing its"):
        assert expected in page.text
    assert "among the 5 best" not in page.text
    assert "true\u00a0↓" in page.text
    assert page.tags.count("svg") == 3
    assert len(page.pictures) == 12 + 6
    assert {picture["width"] for picture in page.pictures} == {"128"}  # 8 pixels, enlarged by whole steps


def test_a_baseline_that_is_not_beaten_is_owned_up_to(tmp_path: Path) -> None:
    targets, answers = some(300, 2, right=0.8)
    report = report_of(("ant", "bee"), targets, answers)
    for accuracy, sentence in (
        (0.95, "and does not beat the baseline: 95.0 %"),
        (0.72, "may be chance"),
        (0.5, "bigrams."),
    ):
        report.run["baseline"] |= {"accuracy": accuracy, "method": "naive Bayes on bigrams"}
        assert sentence in written(report, tmp_path).text


def test_scores_are_believed_only_when_they_are_true(tmp_path: Path) -> None:
    targets, answers = some(1000, 3, right=0.8)
    report = report_of(("ant", "bee", "cow"), targets, answers)
    for score, sentence in (
        (0.8, "Its scores can be believed"),
        (0.82, "Its scores can roughly be believed"),
        (0.6, "points off, mostly too low"),
        (0.98, "can not be taken at their word: on average they are 1"),
    ):
        margin = 2 * np.log(2 * score / (1 - score))  # the temperature is 2
        honest = replace(report, logits=logits_of(answers, 3, margin))
        assert sentence in written(honest, tmp_path).text


def test_what_the_temperature_did_is_said_in_words() -> None:
    assert "too sure" in temperature_sentence(1.5)
    assert "not sure enough" in temperature_sentence(0.8)
    assert "hardly any correction" in temperature_sentence(1.01)


def test_a_run_without_a_baseline_and_with_few_rows_says_less(tmp_path: Path) -> None:
    labels = tuple(f"species {number}" for number in range(25))
    targets, _ = some(100, 25, right=1)
    report = report_of(labels, targets, targets)
    report.run["baseline"] = None
    page = written(report, tmp_path)
    assert "baseline" not in page.text
    assert "100 rows are too few to say" in page.text
    assert "None: every test row was answered rightly." in page.text


def test_unequal_labels_are_named() -> None:
    counts = {"train": [30, 120, 40], "test": [1, 1, 1]}
    labels = ("ant", "bee", "cow")
    assert "“bee” has 4.0 times the train rows of “ant”, 120 to 30." in balance_sentence(counts, labels)
    assert "balanced: 30 to 40 train rows" in balance_sentence({"train": [30, 40, 30]}, labels)


def test_labels_found_equally_well_are_not_ranked(tmp_path: Path) -> None:
    targets, _ = some(300, 3, right=1)
    answers = np.where(np.arange(300) < 60, (targets + 1) % 3, targets)
    page = written(report_of(("ant", "bee", "cow"), targets, answers), tmp_path)
    assert "The two labels it mixes up most are “ant” and “bee”: 20 of its 60 mistakes." in page.text


def test_hostile_text_is_shown_and_never_run(tmp_path: Path) -> None:
    labels = (HOSTILE, "b" * 250)
    targets, answers = some(60, 2, right=0.7)
    report = report_of(labels, targets, answers, [HOSTILE] * 60)
    report = replace(report, title=HOSTILE, found=(HOSTILE,), hardware=HOSTILE)
    report.run["training"] |= {"licence": HOSTILE, "command": HOSTILE, "packages": {HOSTILE: HOSTILE}}
    page = written(report, tmp_path)
    assert page.words.count(HOSTILE) > 20
    assert page.pictures == []


def test_sentences_are_quoted_and_cut(tmp_path: Path) -> None:
    targets, answers = some(60, 2, right=0.7)
    rows = [f"sentence {number} " + "very " * number * 4 for number in range(60)]
    page = written(report_of(("no", "yes"), targets, answers, rows), tmp_path)
    quotations = [word for word in page.words if word.startswith("sentence ")]
    assert page.tags.count("blockquote") == len(quotations) == 12 + 6
    assert max(map(len, quotations)) == 400
    assert "It takes “no” for “yes” in" in page.text


def test_of_many_labels_the_worst_come_first_and_none_is_missing(tmp_path: Path) -> None:
    labels = tuple(f"species {number}" for number in range(120))
    targets, answers = some(600, 119, right=0.7)
    page = written(report_of(labels, targets, answers), tmp_path)
    assert "true\u00a0↓" not in page.text
    assert page.tags.count("details") == 2
    assert all(label in page.words for label in labels)
    assert "The 20 most frequent of" in page.text
    assert "the true label is among the 5 best" in page.text
    assert "One label has no test rows: nothing can be said of it." in page.text


@pytest.mark.parametrize("rows", [np.zeros((0, 8, 8, 1), np.uint8), []])
def test_an_empty_test_split_gives_no_figure(tmp_path: Path, rows: Any) -> None:
    nothing = np.zeros(0, np.int64)
    page = written(report_of(("ant", "bee"), nothing, nothing, rows), tmp_path)
    assert "There are no test rows, so nothing here says how good the net is" in page.text
    assert "75.0 % of the validation rows" in page.text
    assert "Test accuracy" not in page.text
    assert page.tags.count("svg") == 2


def test_a_tiny_test_split_is_counted_and_not_judged(tmp_path: Path) -> None:
    page = written(report_of(("ant", "bee", "cow"), TARGETS, ANSWERS), tmp_path)
    assert "It gets 7 of 10 test rows right" in page.text
    assert "anywhere from 40 % to 89 %" in page.text
    assert "precision" not in page.text
    assert page.tags.count("svg") == 2


def test_a_net_without_mistakes_and_one_that_diverged_have_a_page(tmp_path: Path) -> None:
    targets, _ = some(300, 2, right=1)
    report = report_of(("ant", "bee"), targets, targets)
    report = replace(report, curve=[(float("nan"), float("inf"), 0.5)], counts={"train": {"ant": 3}})
    page = written(report, tmp_path)
    assert "It made no mistake on them." in page.text
    assert "Surest mistakes" not in page.text
    assert "“bee” has no train rows at all" in page.text
    assert "nan" not in (tmp_path / "report.html").read_text()


def test_the_hardware_is_named() -> None:
    assert f", {cpu_count()} usable core" in hardware()
    assert len(hardware().split(",")[0]) > 2


@pytest.mark.parametrize("labels", [2, 10, 120])
def test_a_real_browser_shows_the_page_without_complaint(tmp_path: Path, labels: int) -> None:
    browsers = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    targets, answers = some(300, labels, right=0.8)
    names = (HOSTILE, "b" * 250, *(f"species {number} of a long name" for number in range(labels - 2)))
    write_report(report_of(names, targets, answers), tmp_path / "report.html")
    complaints: list[str] = []
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / "report.html").as_uri())
        for width in (400, 1400):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        browser.close()
    assert complaints == []
