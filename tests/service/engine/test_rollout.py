import json
from pathlib import Path
from typing import Any

import pytest

from service.engine.rollout import Rollout, RolloutRefused, Standing, Verdict, read_rollout
from service.engine.state import State, Version

GOOD: dict[str, Any] = {"serve": "1", "candidate": "2", "mode": "shadow", "share": 0.1}


def written(folder: Path, text: str) -> Path:
    (folder / "rollout.json").write_text(text)
    return folder / "rollout.json"


def test_a_rule_asks_for_what_it_names(tmp_path: Path) -> None:
    assert read_rollout(written(tmp_path, json.dumps(GOOD))).rule is None
    rule = read_rollout(written(tmp_path, json.dumps({**GOOD, "rule": {"agreement": 0.98}}))).rule
    assert rule
    assert (rule.rows, rule.agreement, rule.latency_ratio, rule.failures) == (1000, 0.98, None, 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "EOF"),
        ("[]", "object"),
        ('{"serve": "1"}', "candidate: Field required"),
        (json.dumps({**GOOD, "candidate": "1"}), "serve and candidate are both 1"),
        (json.dumps({**GOOD, "candidate": "../2"}), "candidate"),
        (json.dumps({**GOOD, "share": 0}), "share: Input should be greater than 0"),
        (json.dumps({**GOOD, "share": 1.01}), "share"),
        (json.dumps({**GOOD, "mode": "blue-green"}), "mode"),
        (json.dumps({**GOOD, "shares": 1}), "shares: Extra inputs"),
        (json.dumps({**GOOD, "rule": {"rows": 0}}), "rule.rows"),
        (json.dumps({**GOOD, "rule": {"agreement": 98}}), "rule.agreement"),
        (" " * 20_000, "20000 bytes"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RolloutRefused, match=r"rollout\.json") as refused:
        read_rollout(written(tmp_path, text))
    assert words in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rollout.json").mkdir()
    with pytest.raises(RolloutRefused, match="can not be read"):
        read_rollout(tmp_path / "rollout.json")


def test_all_processes_read_the_same_state() -> None:
    rollout = Rollout.model_validate({**GOOD, "rule": {"rows": 5, "latency_ratio": 1.5}})
    standing = Standing("f", rollout, 3, "a problem", Verdict.PROMOTED, "ünï")
    state = State({("a", "1"): Version("x")}, frozenset(), {"a": standing, "b": Standing("g", problem="broken")})
    assert State.from_bytes(state.to_bytes()) == state
    assert state.refuse([]).rollouts == state.unload("a").rollouts == state.rollouts
    rolled_back = state.settle("a", Verdict.ROLLED_BACK, "so").rollouts["a"]
    assert (rolled_back.serving, standing.serving, Standing("h").serving) == ("1", "2", None)
