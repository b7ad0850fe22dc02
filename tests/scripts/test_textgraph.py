import numpy as np
import pytest
import torch

from nets.textcnn import TextCNN
from scripts.export import round_as_stored
from scripts.textgraph import text_graph, tokenize, word_ids
from service.engine.session import Session

WORDS = ["", "<unk>", "don", "'t", "panic", "!", "it", "'s", "42"]


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("Don't PANIC!", ["don", "'t", "panic", "!"]),
        ("it’s 42", ["it", "’s", "42"]),
        ("naïve 日本語 🙂", ["naïve", "日本語", "🙂"]),
        ("rock'n'roll o'clock", ["rock", "'", "n", "'", "roll", "o", "'", "clock"]),
        ("東京\u3000cafe\u0301 a\x85b", ["東京", "cafe\u0301", "a", "b"]),
        (" \t\n\u00a0", []),
    ],
)
def test_sentences_are_cut_into_lower_case_words_and_signs(sentence: str, tokens: list[str]) -> None:
    assert tokenize([sentence]) == [tokens]


def test_a_curly_apostrophe_means_the_same_and_unknown_words_share_an_id() -> None:
    ids = word_ids(["it's 42", "It’s strange", ""], WORDS)
    assert ids.tolist() == [[6, 7, 8], [6, 7, 1], [0, 0, 0]]


@pytest.fixture
def both() -> tuple[TextCNN, Session]:
    torch.manual_seed(0)
    net = TextCNN(len(WORDS), 2, maps=10).eval()
    round_as_stored(net)
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    weights = {"table": state["tables.0.weight"], "output": state["output.weight"], "output_bias": state["output.bias"]}
    for at, width in enumerate((3, 4, 5)):
        weights |= {f"conv{width}": state[f"convs.{at}.weight"], f"bias{width}": state[f"convs.{at}.bias"]}
    return net, Session(text_graph(WORDS, weights, temperature=1.5).SerializeToString(), provider="cpu")


SENTENCES = ["Don't panic!", "it", "", "42 it’s 42 " * 30, "it's what it 's"]


def test_the_folded_graph_answers_as_the_net_does(both: tuple[TextCNN, Session]) -> None:
    net, session = both
    expected = torch.softmax(net(torch.from_numpy(word_ids(SENTENCES, WORDS))) / 1.5, 1)
    found = session.run(np.array(SENTENCES, dtype=object))
    assert np.abs(found - expected.detach().numpy()).max() < 1e-6


def test_an_answer_does_not_depend_on_who_shares_the_batch(both: tuple[TextCNN, Session]) -> None:
    _, session = both
    together = session.run(np.array(SENTENCES, dtype=object))
    for at, sentence in enumerate(SENTENCES):
        assert np.abs(session.run(np.array([sentence], dtype=object))[0] - together[at]).max() < 1e-6


def test_a_batch_of_nothing_but_empty_sentences_is_answered(both: tuple[TextCNN, Session]) -> None:
    assert both[1].run(np.array(["", " "], dtype=object)).shape == (2, 2)
