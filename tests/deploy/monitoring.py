"""What the dashboard and the rules ask for, and what a service really says of itself."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT

RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/maxpool.json"
OF_PROMETHEUS = {"instance", "job", "alertname", "alertstate"}  # labels that it adds itself
NAME = re.compile(r"(?<![:\w])maxpool_\w+(?![:\w])")
RECORDED = re.compile(r"\b\w+:\w+:\w+\b")
LABELS = re.compile(
    r'(\w+) *(?:=~|!~|!=|=) *"'  # of a selector
    r"|(?:by|on|ignoring|group_left|without) *\(([^)]*)\)"
    r"|label_values\(.*, (\w+)\)"
)


@dataclass(frozen=True)
class Question:
    """Of Prometheus, and where it stands."""

    where: str
    expression: str
    labels: frozenset[str] = frozenset()  # that are shown of the answer


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[str]:
    return [rule["alert"] for rule in rules() if "alert" in rule]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return board


def panels() -> list[dict[str, Any]]:
    """But for the rows that only have a title."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def questions() -> Iterator[Question]:
    for rule in rules():
        shown = re.findall(r"\$labels\.(\w+)", json.dumps(rule.get("annotations", {})))
        yield Question(rule.get("alert") or rule["record"], rule["expr"], frozenset(shown))
    for panel in panels():
        for target in panel["targets"]:
            shown = re.findall(r"{{ *(\w+) *}}", target["legendFormat"])
            yield Question(panel["title"], filled(target["expr"]), frozenset(shown))
    for variable in dashboard()["templating"]["list"]:
        yield Question(variable["name"], variable["definition"])


def filled(expression: str) -> str:
    """As Grafana sends it: its variables have their values."""
    return re.sub(r"\$(model|instance)\b", ".*", expression.replace("$__rate_interval", "1m"))


def samples(text: str) -> dict[str, set[str]]:
    """The names at /metrics, each with its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def unknown(question: Question, said: dict[str, set[str]]) -> set[str]:
    """The metrics and labels that it asks for and nobody has."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    asked, missing = question.expression, set()
    for name in RECORDED.findall(asked):
        asked += f" {recorded[name]}" if name in recorded else ""
        missing |= {name} - recorded.keys()
    names = set(NAME.findall(asked))
    known = OF_PROMETHEUS.union(*(said.get(name, set()) for name in names))
    labels = {label for found in LABELS.findall(asked) for label in re.findall(r"\w+", " ".join(found))}
    return missing | (names - said.keys()) | ((labels | question.labels) - known)
