"""Few rows, at once, and nothing is kept of them."""

import asyncio
import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.datasets import load
from scripts.measure import encode_rows, rows_of, scores_of
from service.drift import Finding
from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.proof import prove
from service.engine.sampler import RATE, TOGETHER, WINDOW, Sampler
from service.engine.schedule import within
from service.metrics import Metrics
from tests.conftest import ROOT, write_colour

EVEN = {"edges": [0.5], "shares": [0.5, 0.5]}
COLOUR = {"data": "drawn", "n": 1000, "label": [0.4, 0.3, 0.3], "confidence": EVEN, "brightness": EVEN}


def with_reference(folder: Path) -> Path:
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**spec, "reference": COLOUR}))
    return folder


def make(folder: Path, metrics: Metrics) -> Model:
    model = Model(
        prove(folder, provider="cpu"),
        lanes=Lanes(1),
        readers=ThreadPoolExecutor(1),
        queue_rows=512,
        max_pixels=10_000,
        metrics=metrics.of_model(folder.parent.name, folder.name),
    )
    metrics.drift.watch(lambda: {(model.spec.name, "1"): model.sampler.yardstick} if model.sampler else {})
    return model


def counts(sampler: Sampler) -> dict[tuple[str, str], float]:
    return dict(zip(sampler.yardstick.bins, sampler._counts.tolist(), strict=True))


def red(rows: int) -> list[Any]:
    return [np.full((8, 8, 3), (255, 0, 0), np.uint8) for _ in range(rows)]


def test_rows_are_counted_few_at_a_time_and_not_before_they_are_due(tmp_path: Path) -> None:
    async def run() -> None:
        model = make(with_reference(write_colour(tmp_path / "colour" / "1")), Metrics())
        sampler = model.sampler
        assert sampler
        for _ in range(20):
            await model.predict(red(64), within(10))
            await asyncio.sleep(0)
            sampler.due += 1000  # by the clock it may be due again
        assert counts(sampler)["label", "red"] == TOGETHER
        assert counts(sampler)["brightness", "below 0.5"] == TOGETHER
        before = sampler.due
        sampler.due = 0.0
        await model.predict(red(1), within(10))
        assert 0 < sampler.due < before
        model.close()

    asyncio.run(run())
    assert RATE * 0.1e-3 < 0.01  # of a second, a hundredth


def test_a_model_without_a_reference_counts_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        model = make(write_colour(tmp_path / "colour" / "1"), Metrics())
        assert model.sampler is None
        assert len((await model.predict(red(1), within(10))).answers) == 1
        model.close()

    asyncio.run(run())


def test_what_was_counted_can_not_be_reached(tmp_path: Path) -> None:
    class Watched(np.ndarray):  # type: ignore[type-arg]
        """One that tells when it is gone."""

    async def run() -> None:
        model = make(with_reference(write_colour(tmp_path / "colour" / "1")), Metrics())
        assert model.sampler
        row = red(1)[0].view(Watched)
        gone = weakref.ref(row)
        model.sampler.take(
            0.0, [type("R", (), {"row": row})], [type("A", (), {"scores": np.eye(3, dtype=np.float32)[0]})]
        )  # type: ignore[list-item]
        assert gone() is not None
        del row
        await asyncio.sleep(0.01)
        gc.collect()
        assert sum(counts(model.sampler).values()) == 3  # counted, in three bins
        assert gone() is None
        held = [value for value in vars(model.sampler).values() if isinstance(value, list | dict | set | np.ndarray)]
        assert [value.shape for value in held if isinstance(value, np.ndarray)] == [(7,)]
        model.close()

    asyncio.run(run())


def test_a_row_that_can_not_be_counted_is_not_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        model = make(with_reference(write_colour(tmp_path / "colour" / "1")), Metrics())
        assert model.sampler
        model.sampler._count([("a secret", np.eye(3, dtype=np.float32)[:0])])
        assert sum(counts(model.sampler).values()) == 0
        model.close()

    asyncio.run(run())
    assert "drift failed" in caplog.text
    assert "secret" not in caplog.text


def test_old_rows_are_forgotten(tmp_path: Path) -> None:
    model = make(with_reference(write_colour(tmp_path / "colour" / "1")), Metrics())
    sampler = model.sampler
    assert sampler
    of = {colour: np.eye(3, dtype=np.float32)[at] for at, colour in enumerate(("red", "green"))}
    row = red(1)[0]
    for colour in ("red", "green"):
        for _ in range(WINDOW):
            sampler._add(row, of[colour])
    counted = counts(sampler)
    assert counted["label", "red"] + counted["label", "green"] == pytest.approx(WINDOW)
    assert counted["label", "red"] / WINDOW == pytest.approx(np.exp(-1), abs=1e-3)


def test_a_version_that_is_let_go_is_told_of_no_longer(tmp_path: Path) -> None:
    async def run() -> None:
        metrics = Metrics()
        model = make(with_reference(write_colour(tmp_path / "colour" / "1")), metrics)
        assert model.sampler
        await model.predict(red(1), within(10))
        await asyncio.sleep(0)
        model.sampler._write()
        assert metrics.drift_findings({})["colour", "1"].rows == 1
        model.close()
        model.sampler._write()
        assert metrics.drift_findings({})["colour", "1"].rows == 0

    asyncio.run(run())


def found_of(name: str, rows: Any) -> Finding:
    model = make(ROOT / "models" / name / "1", Metrics())
    sampler = model.sampler
    assert sampler
    scores = scores_of(prove(model.folder, provider="cpu").session, rows)
    for row, of_row in zip(rows, scores, strict=True):
        sampler._add(row, of_row)
    return sampler.yardstick.find(counts(sampler))


def test_real_digits_drift_where_they_are_changed_and_nowhere_else(real_data: Path) -> None:
    spec = prove(ROOT / "models" / "lenet5-mnist" / "1", provider="cpu").spec
    split = load("mnist", real_data).validation  # not the rows of the reference, nor learned from
    rows, targets = rows_of(encode_rows(split, "JPEG")[:2000], spec), split.targets[:2000]
    same = found_of("lenet5-mnist", rows)
    assert same.status == "ok"
    assert max(same.psi.values()) < 0.05
    assert found_of("lenet5-mnist", 255 - rows).psi["brightness"] > 1
    assert found_of("lenet5-mnist", rows // 2).psi["brightness"] > 1
    few = found_of("lenet5-mnist", rows[targets <= 2])
    assert few.psi["label"] > 1
    assert few.psi["confidence"] < 0.1


def test_sentences_of_another_kind_drift(real_data: Path) -> None:
    questions = np.array(load("trec", real_data).train.rows[:1000], dtype=object)
    films = np.array(load("mr", real_data).validation.rows, dtype=object)
    films = np.concatenate([films, films[: max(0, 500 - len(films))]])
    same, other = found_of("textcnn-mr", films), found_of("textcnn-mr", questions)
    assert same.psi["length"] < 0.1
    assert other.psi["length"] > 1
    assert other.status == "major"
    assert other.unknown_words is not None
    assert same.unknown_words is not None
    assert other.unknown_words > 1.5 * same.unknown_words
