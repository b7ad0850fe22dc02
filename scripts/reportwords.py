"""The report's sentences: what the numbers mean, and where they mean nothing."""

from typing import Any

from scripts.confusion import most_mixed
from scripts.judgement import Judgement
from scripts.reporttables import per_cent

FEW = 30  # fewer test rows give no figure worth a headline
SURE = 200  # fewer say nothing about the scores
SCARCE = 10  # rows of a label
UNEQUAL = 1.5
LONG = 60  # characters of a label
SLIGHT = 0.05  # a temperature's distance from 1
CLOSE = 0.05  # a calibration error that most uses can live with


def digits(n: int) -> int:
    return 2 if n >= 1000 else 1


def quoted(label: str) -> str:
    return f"“{label}”"


def shortened(label: str) -> str:
    """The two ends of what is too long for a table."""
    return label if len(label) <= LONG else f"{label[: LONG // 2]}…{label[1 - LONG // 2 :]}"


def summary(judged: Judgement | None, run: dict[str, Any], labels: tuple[str, ...]) -> list[str]:
    if judged is None:
        return [
            "There are no test rows, so nothing here says how good the net is on rows it has not seen.",
            f"It gets {per_cent(run['validation_accuracy'])} of the validation rows right, but those rows chose "
            "the epoch and the temperature, so this figure is too kind.",
            "Hold rows out for a test to learn more.",
        ]
    if judged.n < FEW:
        return [
            f"It gets {judged.right} of {judged.n} test rows right. So few rows prove little: the true share may lie "
            f"anywhere from {per_cent(judged.interval[0], 0)} to {per_cent(judged.interval[1], 0)}.",
            "Neither the confusions nor the scores can be judged from them.",
        ]
    return [accuracy_sentence(judged, run), confusion_sentence(judged, labels), scores_sentence(judged)]


def interval(judged: Judgement, places: int) -> str:
    low, high = judged.interval
    return f"{per_cent(0.95, 0)} interval {per_cent(low, places)} to {per_cent(high, places)}"


def accuracy_sentence(judged: Judgement, run: dict[str, Any]) -> str:
    places = digits(judged.n)
    sentence = (
        f"It gets {per_cent(judged.accuracy, places)} of {judged.n:,} test rows right ({interval(judged, places)})"
    )
    if not (baseline := run.get("baseline")):
        return sentence + "."
    return f"{sentence}{against(judged, baseline)}"


def against(judged: Judgement, baseline: dict[str, Any]) -> str:
    """The rest of a sentence."""
    other = f"{per_cent(baseline['accuracy'], digits(judged.n))} for the baseline, {baseline['method']}"
    if judged.accuracy <= baseline["accuracy"]:
        return f" and does not beat the baseline: {other}."
    if baseline["accuracy"] >= judged.interval[0]:
        return f", against {other}: a lead this small may be chance."
    return f", against {other}."


def confusion_sentence(judged: Judgement, labels: tuple[str, ...]) -> str:
    if judged.right == judged.n:
        return "It made no mistake on them."
    one, other = most_mixed(judged.counts)
    there, back = int(judged.counts[one, other]), int(judged.counts[other, one])
    if len(labels) == 2:
        return (
            f"It takes {quoted(labels[0])} for {quoted(labels[1])} in {per_cent(share_of(judged, 0, 1))} of such rows, "
            f"and {quoted(labels[1])} for {quoted(labels[0])} in {per_cent(share_of(judged, 1, 0))}."
        )
    sentence = (
        f"The two labels it mixes up most are {quoted(labels[one])} and {quoted(labels[other])}: "
        f"{there + back} of its {judged.n - judged.right:,} mistakes"
    )
    # Of labels found equally well, the one with more rows says more.
    known = [(score.recall, score.rows, score.label) for score in judged.label_scores if score.recall is not None]
    best, worst = max(known), min(known, key=lambda each: (each[0], -each[1]))
    if best[0] == worst[0]:
        return sentence + "."
    return (
        f"{sentence}. It finds {quoted(labels[best[2]])} best ({per_cent(best[0])} of its rows) "
        f"and {quoted(labels[worst[2]])} worst ({per_cent(worst[0])})."
    )


def share_of(judged: Judgement, true: int, answered: int) -> float | None:
    rows = int(judged.counts[true].sum())
    return int(judged.counts[true, answered]) / rows if rows else None


def scores_sentence(judged: Judgement) -> str:
    found = judged.calibration
    if judged.n < SURE:
        return f"Whether its scores can be believed, {judged.n} rows are too few to say."
    off = f"on average they are {100 * found.ece_after:.1f} points off"
    if found.ece_after <= found.by_chance:
        return f"Its scores can be believed: {off}, no more than chance would show on so many rows."
    one_way = abs(found.too_sure) > found.ece_after / 2
    leaning = f", mostly too {'high' if found.too_sure > 0 else 'low'}" if one_way else ""
    if found.ece_after <= CLOSE:
        return f"Its scores can roughly be believed: {off}{leaning}, little, but more than chance would show."
    return f"Its scores can not be taken at their word: {off}{leaning}."


def temperature_sentence(temperature: float) -> str:
    if abs(temperature - 1) < SLIGHT:
        return f"The net alone needs hardly any correction: the temperature is {temperature:.4g}."
    if temperature > 1:
        return f"The net alone is too sure of itself; dividing its logits by {temperature:.4g} lowers its scores."
    return f"The net alone is not sure enough; dividing its logits by {temperature:.4g} raises its scores."


def sizes_sentence(counts: dict[str, list[int]]) -> str:
    return "Rows: " + ", ".join(f"{sum(rows):,} {split}" for split, rows in counts.items()) + "."


def balance_sentence(counts: dict[str, list[int]], labels: tuple[str, ...]) -> str:
    """Of the first split, which is the one that trains."""
    split, rows = next(iter(counts.items()))
    low, high = min(rows), max(rows)
    least, most = quoted(labels[rows.index(low)]), quoted(labels[rows.index(high)])
    if not low:
        return f"{least} has no {split} rows at all: the net can not learn it."
    if high < UNEQUAL * low:
        each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        return f"The labels are balanced: {each} {split} rows each."
    return (
        f"The labels are unequal: {most} has {high / low:.1f} times the {split} rows of {least}, {high:,} to {low:,}."
    )


def caution_sentence(judged: Judgement) -> str:
    """On labels with few test rows, or none."""
    missing = sum(not score.rows for score in judged.label_scores)
    scarce = sum(0 < score.rows < SCARCE for score in judged.label_scores)
    found = [
        f"{count_of(missing)} no test rows: nothing can be said of {'it' if missing == 1 else 'them'}."
        if missing
        else "",
        f"{count_of(scarce)} fewer than {SCARCE} test rows: such figures mean little." if scarce else "",
    ]
    return " ".join(filter(None, found))


def count_of(labels: int) -> str:
    return "One label has" if labels == 1 else f"{labels} labels have"
