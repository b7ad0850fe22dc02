"""Every provider that works on this machine proves and serves the committed models; the others are skipped by name."""

from pathlib import Path

import numpy as np
import pytest

from service.engine.proof import prove
from service.engine.rows import read_row, stack
from service.engine.session import PROVIDERS, ROUNDING, Session, choose_provider, works
from service.errors import ModelRefused, SettingsError
from tests.conftest import ROOT, colour_graph

MODELS = sorted(path.parent for path in (ROOT / "models").glob("*/*/model.onnx"))


@pytest.mark.parametrize("folder", MODELS, ids=[folder.parent.name for folder in MODELS])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_answers_as_the_nets_did_when_they_were_exported(provider: str, folder: Path) -> None:
    if not works(provider):
        pytest.skip(f"{PROVIDERS[provider]} does not work on this machine")
    proven = prove(folder, provider=provider)
    assert proven.session.provider == provider
    rows = stack([read_row(golden.input, proven.spec.input).row for golden in proven.golden])
    alone = np.concatenate([proven.session.run(rows[at : at + 1]) for at in range(len(rows))])
    np.testing.assert_allclose(proven.session.run(rows), alone, atol=max(1e-4, ROUNDING.get(provider, 0)))


def test_memory_is_given_back_without_changing_an_answer() -> None:
    session = Session(colour_graph().SerializeToString(), provider="cpu")
    rows = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    before = session.run(rows)
    session.shrink(rows[:1])
    np.testing.assert_array_equal(session.run(rows), before)


def test_a_provider_that_is_not_here_is_refused_by_name() -> None:
    missing = next(provider for provider in PROVIDERS if not works(provider))
    with pytest.raises(SettingsError, match=f"{missing}.*working: .*cpu"):
        choose_provider(missing)
    with pytest.raises(SettingsError, match="expected auto or one of"):
        choose_provider("abacus")


def test_what_is_no_graph_is_refused_with_what_onnx_runtime_says() -> None:
    with pytest.raises(ModelRefused, match="ONNX Runtime"):
        Session(b"no graph", provider="cpu")
