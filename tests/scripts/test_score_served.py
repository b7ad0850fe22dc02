"""What is scored in bulk is what the service answers, on the committed models."""

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from maxpool_client import Client

from tests.conftest import ROOT
from tests.scripts.examples import encoded, picture, reviews
from tests.scripts.scored import rows, score, write_parquet


def shapes(n: int) -> list[bytes]:
    """PNG and JPEG, large and small, grey and in colour."""
    found = []
    for at in range(n):
        drawn = picture(("bar", "disc")[at % 2], at, 20 + 13 * (at % 5))
        drawn = drawn.convert("L") if at % 3 == 0 else drawn
        found.append(encoded(drawn, "JPEG" if at % 4 == 0 else "PNG"))
    return found


@pytest.mark.parametrize("name", ["lenet5-mnist", "resnet20-cifar10", "textcnn-mr"])
def test_labels_and_scores_are_those_of_the_service(service_url: str, tmp_path: Path, name: str) -> None:
    given = [text for text, _ in reviews(60)] if name.startswith("textcnn") else shapes(60)
    column = pyarrow.array(given, pyarrow.string() if isinstance(given[0], str) else pyarrow.binary())
    source = write_parquet(tmp_path / "rows.parquet", {"content": column}, row_group_size=25)
    assert score(ROOT / "models" / name / "1", source, out=tmp_path / "out", top_k=3, shard_rows=20) == 0
    with Client(service_url) as client:
        answers = [client.classify(name, each, top_k=3) for each in given]
    found = {row["id"]: row for row in rows(tmp_path / "out")}
    assert list(found) == [f"rows.parquet:{at + 1}" for at in range(len(given))]
    for row, answer in zip(found.values(), answers, strict=True):
        assert row["label"] == answer.label
        assert row["labels"] == [each.label for each in answer.top]
        assert np.allclose(row["scores"], [each.score for each in answer.top], atol=1e-6, rtol=0)
    assert len({row["label"] for row in found.values()}) > 1
