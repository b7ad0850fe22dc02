"""What is done before the first request, so that it is like any other: it is done, and nobody counts it."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.app import create_app
from service.engine import rehearsal
from service.engine.registry import Registry
from service.engine.rehearsal import TIMES
from service.engine.session import Scores, Session
from service.engine.vocabulary import Vocabulary
from service.metrics import Metrics
from service.settings import Settings
from tests.conftest import ROOT, write_colour, write_length


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def registry(tmp_path: Path, metrics: Metrics) -> Iterator[Registry]:
    write_colour(tmp_path / "colour" / "1")
    write_length(tmp_path / "length" / "1")
    shutil.copytree(ROOT / "models" / "textcnn-mr", tmp_path / "textcnn-mr")
    registry = Registry(cpus=1, provider="cpu", queue_rows=10, max_pixels=10_000, metrics=metrics)
    registry.load(tmp_path)
    yield registry
    registry.close()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each run of any graph from now on."""
    found: list[int] = []
    run = Session.run

    def seen(self: Session, rows: Any) -> Scores:
        found.append(len(rows))
        return run(self, rows)

    monkeypatch.setattr(Session, "run", seen)
    return found


def test_each_model_answers_and_its_words_are_looked_up(
    registry: Registry, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 60)
    sentences: list[str] = []
    count = Vocabulary.count

    def heard(self: Vocabulary, said: str) -> tuple[int, int]:
        sentences.append(said)
        return count(self, said)

    monkeypatch.setattr(Vocabulary, "count", heard)
    asyncio.run(registry.rehearse())
    assert runs == [1] * TIMES * 3
    assert sentences == [registry.find("textcnn-mr", None).golden[0].input] * TIMES


def test_nobody_counts_it(registry: Registry, metrics: Metrics) -> None:
    before = metrics.text()
    asyncio.run(registry.rehearse())
    told = [line for line in metrics.text().splitlines() if b"maxpool_batch_rows_count" in line]
    assert len(told) == 3
    assert all(line.endswith(b" 0.0") for line in told)
    assert samples(metrics.text()) == samples(before)
    sampler = registry.find("textcnn-mr", None).sampler
    assert sampler is not None
    assert not sampler._counts.any()


def samples(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.startswith(b"maxpool_") and b"maxpool_resident" not in line]


def test_one_that_fails_now_is_left_to_those_who_ask(
    registry: Registry, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 60)

    def fail(rows: object) -> Scores:
        raise RuntimeError("no memory")

    monkeypatch.setattr(registry.find("colour", None).batcher, "_run", fail)
    asyncio.run(registry.rehearse())
    assert len(runs) == TIMES * 2


def test_it_ends_in_time_whatever_there_is_to_run(
    registry: Registry, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", -1)
    asyncio.run(registry.rehearse())
    assert runs == []


def test_an_application_does_so_before_it_answers(tiny_models: Path, runs: list[int]) -> None:
    app = create_app(Settings(models=tiny_models, reload_seconds=0))
    app.state.follower.begin()
    loaded = len(runs)

    async def start() -> int:
        async with app.router.lifespan_context(app):
            return len(runs) - loaded

    assert asyncio.run(start()) > 0
