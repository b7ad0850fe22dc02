"""The dashboard, the rules and docs/monitoring.md against what a running service says of itself, and Prometheus's own
tools on all of it."""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
import yaml

from service.memory import limit
from tests.conftest import ROOT, eventually, plain, started
from tests.deploy.monitoring import Question, alerts, dashboard, panels, questions, rules, samples, unknown
from tests.deploy.prometheus import Ask, prometheus
from tests.deploy.traffic import some_of_all, some_rows, write_models

PROMETHEUS = ROOT / "deploy/prometheus"
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus: apt-get install prometheus"
)


def promtool(*arguments: str, text: str = "", folder: Path = PROMETHEUS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], input=text, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    write_models(models)
    with started(models, workers=2) as (_, given):
        yield given


@pytest.fixture(scope="module")
def said(url: str) -> str:
    """After enough of all that is counted."""
    some_of_all(url)

    def text() -> str:
        some_rows(url)
        return httpx2.get(f"{url}/metrics").text

    eventually(lambda: "maxpool_drift_psi{" in text())
    return text()


def names(text: str) -> dict[str, set[str]]:
    """Where no limit is set there is none to tell, here as elsewhere, and an index only of more rows than are counted
    in some seconds: tests/service/test_drift_service.py waits for it."""
    optional: dict[str, set[str]] = {} if limit() else {"maxpool_memory_limit_bytes": set()}
    return samples(text) | optional | {"maxpool_drift_psi": {"model", "version", "of"}}


def test_all_that_panels_and_rules_ask_for_is_there(said: str) -> None:
    asked, found = list(questions()), names(said)
    assert len(asked) > 50
    assert {question.where: missing for question in asked if (missing := unknown(question, found))} == {}


@pytest.mark.parametrize(
    ("expression", "missing"),
    [
        ("sum(rate(maxpool_request_total[1m]))", {"maxpool_request_total"}),
        ("sum by (status) (maxpool_requests_total)", {"status"}),
        ('maxpool_requests_total{status="200"}', {"status"}),
        ("maxpool:replicas_down:count > 1", {"maxpool:replicas_down:count"}),
        ('model:maxpool_queue_duration_seconds:p99_rate5m{code="200"}', {"code"}),
        ("label_values(maxpool_received_total, net)", {"net"}),
    ],
)
def test_what_is_not_there_is_found(said: str, expression: str, missing: set[str]) -> None:
    assert unknown(Question("", expression), names(said)) == missing
    assert unknown(Question("", "maxpool_ready", frozenset({"model"})), names(said)) == {"model"}


def test_the_docs_name_what_there_is(said: str) -> None:
    text = (ROOT / "docs/monitoring.md").read_text()
    found = samples(said).keys() | {name.rpartition("_")[0] for name in samples(said) if name.endswith("_bucket")}
    named = set(re.findall(r"\bmaxpool_\w+", text)) - {"maxpool_memory_limit_bytes"}
    assert named
    assert named <= found
    assert set(re.findall(r"\bMaxpool\w+", text)) == set(alerts())
    assert {panel["title"] for panel in panels()} <= set(re.findall(r"^\| (.*?) \|", text, re.MULTILINE))


def test_each_alert_has_a_severity_and_a_place_in_the_runbook() -> None:
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        if "alert" in rule:
            words = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"]["runbook"] == f"docs/operations.md#alert-{words}"
            assert f"alert-{words}" in anchors


def test_each_alert_is_tested_to_fire_and_not_to() -> None:
    cases = [
        case
        for test in yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == set(alerts())
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == set(alerts())


@needs_promtool
def test_promtool_accepts_configuration_and_rules() -> None:
    assert promtool("check", "config", "prometheus.yml").returncode == 0
    checked = promtool("check", "rules", "rules.yml")
    assert checked.returncode == 0
    assert f"{len(rules())} rules found" in checked.stdout


@needs_promtool
def test_the_alerts_fire_when_they_must_and_only_then(tmp_path: Path) -> None:
    assert promtool("test", "rules", "rules_test.yml").returncode == 0
    shutil.copy(PROMETHEUS / "rules_test.yml", tmp_path)
    text = (PROMETHEUS / "rules.yml").read_text()
    right = "maxpool_memory_limit_bytes > 0.9"
    assert right in text
    (tmp_path / "rules.yml").write_text(text.replace(right, right.replace("0.9", "0.7")))
    assert promtool("test", "rules", "rules_test.yml", folder=tmp_path).returncode == 1


@needs_promtool
def test_the_metrics_are_named_as_prometheus_advises(said: str) -> None:
    checked = promtool("check", "metrics", text=said)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert promtool("check", "metrics", text="# TYPE maxpool_wait_ms counter\nmaxpool_wait_ms 1\n").returncode != 0


def test_the_dashboard_is_whole() -> None:
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    (given,) = source["datasources"]
    everything = dashboard()["panels"]
    assert [count for count in Counter(panel["id"] for panel in everything).values() if count > 1] == []
    cells = Counter(
        (column, line)
        for place in (panel["gridPos"] for panel in everything)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1  # none lies on another
    assert max(column for column, _ in cells) < 24
    for panel in panels():
        assert panel["description"]
        assert [target["refId"] for target in panel["targets"]] == list("ABCD"[: len(panel["targets"])])
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": given["type"], "uid": given["uid"]}


@needs_promtool
def test_every_question_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    asked = [question.expression for question in questions() if "label_values" not in question.expression]

    def readable(expressions: list[str]) -> bool:
        written = [{"record": f"question:{index}", "expr": each} for index, each in enumerate(expressions)]
        (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": written}]}))
        return promtool("check", "rules", "--lint=none", "asked.yml", folder=tmp_path).returncode == 0

    assert readable(asked)
    assert not readable([*asked, "sum(rate(maxpool_requests_total))"])


def test_scrapes_hold_no_request(url: str) -> None:
    """Some are under way all the time: each is whole, and everybody is answered."""
    predict = f"{url}/v1/models/colour/predict"
    with ThreadPoolExecutor(8) as pool:
        scrapes = [pool.submit(httpx2.get, f"{url}/metrics", timeout=60) for _ in range(16)]
        answers = [httpx2.post(predict, content=plain("red"), timeout=60) for _ in range(50)]
        texts = [scrape.result() for scrape in scrapes]
    assert {answer.status_code for answer in answers} == {200}
    assert {text.status_code for text in texts} == {200}
    assert all("maxpool_resident_memory_bytes " in text.text for text in texts)


@needs_prometheus
def test_every_panel_has_something_to_draw(url: str, said: str, tmp_path: Path) -> None:
    assert said
    asked = [question for question in questions() if "label_values" not in question.expression]
    asked = [question for question in asked if limit() or "memory_limit" not in question.expression]
    shown = [question for question in asked if question.where in {panel["title"] for panel in panels()}]

    def empty(ask: Ask) -> list[str]:
        some_of_all(url)
        told = [(question, {each["value"] for each in ask(question.expression)}) for question in shown]
        return [question.expression for question, values in told if not values - {"NaN"}]

    with prometheus(tmp_path, url) as ask:
        eventually(lambda: empty(ask) == [])
        assert ask("maxpool_nothing") == []


@needs_prometheus
def test_a_prometheus_that_is_away_holds_nobody_and_misses_no_request(tiny_models: Path, tmp_path: Path) -> None:
    def counted(ask: Ask) -> list[str]:
        return [each["value"] for each in ask('sum(maxpool_requests_total{code="200"})')]

    with started(tiny_models, workers=2) as (_, url):
        predict = f"{url}/v1/models/colour/predict"
        with prometheus(tmp_path, url) as ask:
            assert httpx2.post(predict, content=plain("red")).status_code == 200
            eventually(lambda: counted(ask) == ["1"])
        assert [httpx2.post(predict, content=plain("red")).status_code for _ in range(20)] == [200] * 20
        with prometheus(tmp_path, url) as ask:
            eventually(lambda: counted(ask) == ["21"])


@needs_prometheus
def test_prometheus_itself_sees_the_service_and_that_it_is_gone(tiny_models: Path, tmp_path: Path) -> None:
    with started(tiny_models, workers=2) as (pid, url), prometheus(tmp_path, url) as ask:

        def firing() -> set[str]:
            return {alert["alertname"] for alert in ask('ALERTS{alertstate="firing"}')}

        for query in ('up{job="maxpool"}', "maxpool_ready", "maxpool:replicas_up:count"):
            eventually(lambda query=query: [each["value"] for each in ask(query)] == ["1"])
        assert firing() == set()
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: firing() == {"MaxpoolDown", "MaxpoolReplicaDown"})
