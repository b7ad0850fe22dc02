"""Words that the graph does not know, by its own front."""

import pytest

from service.engine.graph import cut
from service.engine.vocabulary import LONGEST, Vocabulary
from tests.conftest import ROOT, colour_graph, length_graph

MR = (ROOT / "models" / "textcnn-mr" / "1" / "model.onnx").read_bytes()


def test_words_are_those_of_the_graph() -> None:
    vocabulary = Vocabulary.of(MR)
    assert vocabulary is not None
    assert vocabulary.count("A FILM with zzyzx in it's end") == (7, 1)  # it and 's
    assert vocabulary.count("\x00") == (0, 0)
    assert vocabulary.count("film " * LONGEST) == (LONGEST // 5, 0)


def test_only_the_front_is_loaded() -> None:
    assert len(cut(MR, "ids")) < len(MR) / 20
    with pytest.raises(ValueError, match="constant"):
        cut(MR, "table")


@pytest.mark.parametrize("graph", [colour_graph, length_graph])
def test_a_graph_without_a_table_of_words_has_no_vocabulary(graph: object) -> None:
    assert callable(graph)
    assert Vocabulary.of(graph().SerializeToString()) is None
