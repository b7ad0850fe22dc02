"""A logit of Kim's CNN is its words and a constant, and its n-grams and a constant; each word's share is autograd's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.task import SentenceTask
from scripts.textgraph import word_ids
from service.engine.proof import prove
from service.engine.rows import Row, read_row
from service.inspect import looked as looked_module
from service.inspect.looked import Looked
from service.inspect.parts import show_occlusion, show_words
from service.inspect.question import Question
from service.inspect.view import View
from service.inspect.words import shares
from tests.conftest import ROOT
from tests.service.inspect.nets import LABELS, Exported, export

SENTENCES = [
    "it's a great film, but it is too long",
    "who painted the ceiling of the sistine chapel?",
    "great",
    "zxqy zxqy zxqy",  # words that no training sentence had
    "the film " * 60,
    "what is the \u201cmeaning\u201d of life \u2014 42 or \ud55c\uad6d\uc5b4?",
]
MODELS = [ROOT / "models" / name / "1" for name in ("textcnn-mr", "textcnn-trec")]


@pytest.fixture(scope="module", params=MODELS, ids=lambda folder: folder.parent.name)
def view(request: pytest.FixtureRequest) -> View:
    folder: Path = request.param
    return View(prove(folder, provider="cpu").spec, folder, None)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export("textcnn", "rand", tmp_path_factory.mktemp("nets") / "textcnn" / "1")


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence[:12])
def test_words_and_n_grams_add_up_to_the_logit_of_every_class(view: View, sentence: str) -> None:
    row = read_row(sentence, view.spec.input)
    for label in view.spec.labels:
        looked = Looked(view, row, Question(methods=("words",), target=label))
        said = show_words(looked)
        limit = 1e-4 * max(1, abs(said["logit"]))
        assert said["error"] < limit
        assert said["ngrams_error"] < limit
        together = sum(each["share"] for each in said["words"]) + said["padding"] + said["constant"]
        assert together == pytest.approx(said["logit"], abs=limit)
        assert sum(each["share"] for each in said["ngrams"]) + said["ngrams_bias"] == pytest.approx(
            said["logit"], abs=limit
        )
        assert looked.tokens is not None
        assert [each["word"] for each in said["words"]] == looked.tokens
        for ngram in said["ngrams"]:
            words = looked.tokens[max(0, ngram["start"]) : max(0, ngram["end"])]
            assert ngram["text"].split() == words
            assert ngram["end"] - ngram["start"] == ngram["width"]
        assert sum(each["filters"] for each in said["ngrams"]) + said["silent"] == 300


def test_unknown_words_are_told(view: View) -> None:
    looked = Looked(view, read_row("zxqy the", view.spec.input), Question(methods=("words",)))
    assert [each["known"] for each in show_words(looked)["words"]] == [False, True]


def test_each_word_s_share_is_gradient_times_vector(net: Exported) -> None:
    """For an active filter is linear: an independent way to the same numbers."""
    assert isinstance(net.task, SentenceTask)
    torch_net = net.task.net.eval()
    looked = Looked(net.view, Row(net.row, 1, {}), Question(methods=("words",)))
    assert net.view.text is not None
    vectors: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, given: object, out: torch.Tensor) -> torch.Tensor:
        out = out.detach().requires_grad_(True)
        vectors.append(out)
        return out

    hook = torch_net.get_submodule("tables.0").register_forward_hook(keep)
    logits = torch_net(torch.from_numpy(word_ids([net.row], net.task.words)))[0]
    hook.remove()
    for target in range(len(LABELS)):
        (gradient,) = torch.autograd.grad(logits[target], vectors[0], retain_graph=True)
        of_words = (gradient * vectors[0]).sum(2)[0].detach().numpy()  # 4 of padding, the words, 5 of padding
        found = shares(net.view.text, looked.values, target)
        np.testing.assert_allclose(found.words, of_words[4:-5], atol=1e-5)
        assert np.abs(found.words).max() > 1e-3
        assert found.words_sum == pytest.approx(logits[target].item(), abs=1e-5)


def test_a_share_that_is_moved_by_one_word_does_not_add_up(view: View) -> None:
    looked = Looked(view, read_row(SENTENCES[0], view.spec.input), Question(methods=("words",)))
    assert view.text is not None
    values = dict(looked.values)
    for each in view.text.filters:
        for tap in each.taps:
            values[tap] = np.roll(values[tap], 1, 1)
    found = shares(view.text, values, looked.target)
    logit = looked.logit(looked.target)
    assert logit is not None
    assert abs(found.words_sum - logit) > 1e-4 * max(1, abs(logit))


def test_leaving_out_a_word_asks_the_net_itself(view: View) -> None:
    looked = Looked(view, read_row("a great film", view.spec.input), Question())
    said = show_occlusion(looked)
    whole, without = view.scores_of(["a great film", "a film"])[:, looked.target].tolist()
    assert said["score"] == pytest.approx(whole)
    assert said["words"][1] == pytest.approx(whole - without)
    assert len(said["words"]) == said["runs"] == 3


def test_the_time_is_that_of_the_sentence_and_not_of_those_before(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond a word."""
    worked = 0

    def score(rows: list[str]) -> np.ndarray:
        nonlocal worked
        worked += sum(len(row.split()) for row in rows)
        return np.zeros((len(rows), len(view.spec.labels)))

    monkeypatch.setattr(view, "scores_of", score)
    monkeypatch.setattr(looked_module.time, "perf_counter", lambda: worked / 1000)
    for words, refused in ((3, False), (100, True)):
        row = read_row("good " * words, view.spec.input)
        said = show_occlusion(Looked(view, row, Question()))
        assert ("error" in said) is refused, words
        if refused:
            assert "100 runs of this model at 100.0 ms each, 10.0 s" in said["error"]
