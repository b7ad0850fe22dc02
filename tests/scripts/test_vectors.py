import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nets import TextCNN
from nets.textcnn import Variant
from scripts.datasets import DataSet, Split
from scripts.export import check_batch_invariance, check_parity, graph_of, scorer
from scripts.loop import train
from scripts.recipes import RECIPES
from scripts.task import make_sentence_task, vocabulary
from scripts.vectors import fill_table, read_vectors
from service.engine.session import Session
from service.spec import SentenceInput
from tests.scripts.examples import reviews

VECTORS = {"film": [1.0, 2.0, 3.0], "story": [-0.5, 0.25, 0.0], "naïve": [4.0, 5.0, 6.0], ". . .": [7.0, 8.0, 9.0]}


def write_text(path: Path, *, header: bool, ends: str = "\n") -> Path:
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in VECTORS.items()]
    path.write_text(ends.join([*([f"{len(VECTORS)} 3"] if header else []), *lines, ""]), encoding="utf-8", newline="")
    return path


def binary(between: bytes) -> bytes:
    entries = [
        word.encode() + b" " + np.array(vector, "<f4").tobytes() for word, vector in VECTORS.items() if " " not in word
    ]
    return f"{len(entries)} 3\n".encode() + between.join([*entries, b""])


def check(path: Path) -> None:
    found = read_vectors(path, {"film", "naïve", "absent"})
    assert {word: vector.tolist() for word, vector in found.items()} == {
        "film": [1.0, 2.0, 3.0],
        "naïve": [4.0, 5.0, 6.0],
    }


@pytest.mark.parametrize("header", [False, True], ids=["glove", "word2vec"])
@pytest.mark.parametrize("ends", ["\n", " \n", "\r\n"])
def test_text_files_are_read_with_and_without_the_line_of_counts(tmp_path: Path, header: bool, ends: str) -> None:
    path = write_text(tmp_path / "vectors.txt", header=header, ends=ends)
    check(path)
    assert read_vectors(path, {". . ."})[". . ."].tolist() == [7.0, 8.0, 9.0]


@pytest.mark.parametrize("between", [b"", b"\n"], ids=["google", "word2vec.c"])
def test_the_binary_format_is_read_with_and_without_line_ends(tmp_path: Path, between: bytes) -> None:
    (tmp_path / "vectors.bin").write_bytes(binary(between))
    check(tmp_path / "vectors.bin")
    (tmp_path / "vectors.bin.gz").write_bytes(gzip.compress(binary(between)))
    check(tmp_path / "vectors.bin.gz")


def test_a_word_in_lower_case_wins_over_its_capitals_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("Apple 1 1\nParis 2 2\nPARIS 3 3\napple 4 4\n")
    found = read_vectors(tmp_path / "v.txt", {"apple", "paris"})
    assert {word: vector.tolist() for word, vector in found.items()} == {"apple": [4.0, 4.0], "paris": [2.0, 2.0]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("letter.txt", b"Dear Sir or Madam\nthis is no file of vectors\n"),
        ("ragged.txt", b"a 1 2 3\nb 1 2\n"),
        ("endless.txt", b"a 1 2 3\nb 1 nan 3\n"),
        ("empty.txt", b""),
        ("cut.bin", binary(b"")[:-5]),
        ("short.bin", b"1000 3\n" + binary(b"")[4:]),
        ("text.bin", b"film 1 2 3\n"),
        ("binary.txt", binary(b"")),
        ("plain.txt.gz", b"film 1 2 3\n"),
        ("cut.txt.gz", gzip.compress(b"film 1 2 3\n" * 100, mtime=0)[:-10]),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"is no file of word vectors.*as GloVe and word2vec write them"):
        fill_table(["", "<unk>", "film"], read_vectors(tmp_path / name, {"film"}))


def test_a_file_that_is_not_there_or_knows_no_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_vectors(tmp_path / "gone.txt", {"film"})
    path = write_text(tmp_path / "v.txt", header=False)
    with pytest.raises(ValueError, match=r"none of the words.*same language"):
        fill_table(["", "<unk>", "kvikmynd"], read_vectors(path, {"kvikmynd"}))


def test_unknown_words_get_vectors_of_the_same_variance() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    vectors = {str(at): random.normal(0, 0.5, 50).astype(np.float32) for at in range(200)}
    table = fill_table(["", "<unk>", *(f"new {at}" for at in range(500)), *vectors], vectors)
    assert torch.equal(table[-1], torch.from_numpy(vectors["199"]))
    assert table[1:502].var().item() == pytest.approx(0.25, rel=0.05)


def film_data() -> DataSet:
    labels = ("bad", "good")
    pairs = reviews(30)
    parts = []
    for name, some in (("train", pairs[:40]), ("validation", pairs[40:50]), ("test", pairs[50:])):
        targets = np.array([labels.index(label) for _, label in some])
        parts.append(Split(name, [text for text, _ in some], targets))
    return DataSet("films", labels, *parts, "films", SentenceInput(max_characters=2000))


@pytest.mark.parametrize("variant", ["static", "non-static", "multichannel"])
def test_each_variant_trains_what_it_should_and_is_exported_as_it_is(tmp_path: Path, variant: Variant) -> None:
    torch.manual_seed(0)
    data = film_data()
    words = vocabulary(data.train.rows, 1)
    random = np.random.default_rng(0)
    vectors = {word: random.normal(0, 0.3, 25).astype(np.float32) for word in words[2:]}
    table = fill_table(words, vectors)
    recipe = replace(RECIPES["textcnn", "mr"], epochs=2, batch=10, prior=0.0)
    task = make_sentence_task(variant, data, recipe, words=words, table=table)
    done = train(task, data, recipe, seed=0, path=tmp_path / "checkpoint.pt", resume=False)
    task.net.load_state_dict(done.best)
    net = task.net
    assert isinstance(net, TextCNN)
    before = table.clone()
    before[0] = 0
    same = [torch.equal(table.weight, before) for table in net.tables if isinstance(table, nn.Embedding)]
    assert same == {"static": [True], "non-static": [False], "multichannel": [True, False]}[variant]
    assert not net.tables[-1].weight[0].any()  # the padding stays zero
    net.eval()
    ids = task.ids(data.test)
    trained = torch.softmax(net(ids) / 1.5, 1).detach().numpy()
    scores = scorer(task, 1.5)  # rounds the tables
    session = Session(graph_of(task, 1.5).SerializeToString(), provider="cpu")
    assert check_parity(session, data.test.rows, scores) <= 1e-5
    check_batch_invariance(session, data.test.rows)
    answers = session.run(np.array(data.test.rows, dtype=object))
    assert np.abs(answers - trained).max() < 2e-3  # of the tables folded into one, in half precision
