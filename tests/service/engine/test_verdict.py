from dataclasses import replace

import pytest

from service.engine.rollout import Rule, Verdict
from service.engine.verdict import judge
from service.rolloutmetrics import Figures

NOTHING = Figures("m", "2", "running", 0, 0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0)
RULE = Rule(rows=100, agreement=0.9, latency_ratio=1.5, failures=0.02)


def seen(rows: int, agreed: int, *, failed: int = 0, ratio: float = 1.0) -> Figures:
    return replace(NOTHING, rows=rows, agreed=agreed, failed=failed, serve_seconds=2.0, candidate_seconds=2.0 * ratio)


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        (NOTHING, None),
        (seen(99, 99), None),
        (seen(100, 100), Verdict.PROMOTED),
        (seen(100, 90), Verdict.PROMOTED),
        (seen(100, 89), Verdict.ROLLED_BACK),
        (seen(500, 450), Verdict.PROMOTED),
        (seen(10, 0), None),  # the next ninety may still agree
        (seen(11, 0), Verdict.ROLLED_BACK),
        (seen(98, 98, failed=2), Verdict.PROMOTED),
        (seen(0, 0, failed=3), Verdict.ROLLED_BACK),
        (seen(0, 0, failed=2), None),
        (seen(100, 100, ratio=1.5), Verdict.PROMOTED),
        (seen(100, 100, ratio=1.6), Verdict.ROLLED_BACK),
        (seen(50, 50, ratio=100.0), None),  # the first runs are no measure
        (replace(NOTHING, worker_ends=1), Verdict.ROLLED_BACK),
    ],
)
def test_the_rule_decides(figures: Figures, verdict: Verdict | None) -> None:
    found = judge(RULE, figures)
    assert (found and found[0]) == verdict


def test_what_a_rule_does_not_name_is_not_asked_for() -> None:
    found = judge(Rule(rows=10), seen(10, 0, ratio=50.0))
    assert found == (Verdict.PROMOTED, "after 10 rows: agreement 0.0000, latency ratio 50.00, failures 0")
    assert judge(None, seen(10_000, 0, failed=10_000)) is None


def test_a_verdict_has_all_its_reasons() -> None:
    found = judge(RULE, seen(100, 10, failed=30, ratio=3.0))
    assert found
    assert found[1] == (
        "after 130 rows: failures 30 of 130 rows, allowed 0.02; agreement 0.1000, expected 0.9; "
        "latency ratio 3.00, allowed 1.5"
    )
