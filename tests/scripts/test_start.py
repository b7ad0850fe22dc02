import json
from pathlib import Path

import pytest
import torch
from torch import nn

from nets import PICTURE_NETS, TextCNN
from scripts.start import start_from, take_over


def write_run(
    folder: Path, net: nn.Module, *, name: str, labels: tuple[str, ...], words: list[str] | None = None
) -> Path:
    folder.mkdir()
    torch.save(net.state_dict(), folder / "best.pt")
    (folder / "run.json").write_text(json.dumps({"net": {"name": name}, "labels": labels}))
    if words:
        (folder / "words.json").write_text(json.dumps(words))
    return folder


def lenet(labels: int) -> nn.Module:
    return PICTURE_NETS["lenet5"]["modern"](labels)


def same(one: nn.Module, other: nn.Module) -> dict[str, bool]:
    known = other.state_dict()
    return {
        name: known[name].shape == tensor.shape and torch.equal(tensor, known[name])
        for name, tensor in one.state_dict().items()
    }


def test_the_same_labels_take_everything_over(tmp_path: Path) -> None:
    old, new = lenet(3), lenet(3)
    run = write_run(tmp_path / "run", old, name="lenet5", labels=("a", "b", "c"))
    said = start_from(new, run, name="lenet5", labels=("a", "b", "c"), words=None)
    assert all(same(new, old).values())
    assert said == f"10 of 10 tensors come from {run}"


@pytest.mark.parametrize("labels", [("a", "b", "d"), ("b", "a", "c"), ("a", "b", "c", "d", "e")])
def test_with_other_labels_the_last_layer_is_learned_anew(tmp_path: Path, labels: tuple[str, ...]) -> None:
    old, new = lenet(3), lenet(len(labels))
    run = write_run(tmp_path / "run", old, name="lenet5", labels=("a", "b", "c"))
    said = start_from(new, run, name="lenet5", labels=labels, words=None)
    assert said == f"8 of 10 tensors come from {run}; learned anew: output"
    assert {name for name, taken in same(new, old).items() if not taken} == {"output.weight", "output.bias"}


def test_googlenet_learns_all_three_of_its_last_layers_anew(tmp_path: Path) -> None:
    old, new = (PICTURE_NETS["googlenet"]["paper"](4) for _ in range(2))
    run = write_run(tmp_path / "run", old, name="googlenet", labels=("a", "b", "c", "d"))
    assert start_from(new, run, name="googlenet", labels=("w", "x", "y", "z"), words=None).count(".fc2") == 2
    assert not same(new, old)["fc.weight"]


def test_word_vectors_are_taken_word_by_word(tmp_path: Path) -> None:
    old_words, new_words = ["", "<unk>", "film", "story", "gone"], ["", "<unk>", "new", "story", "film"]
    old, new = TextCNN(5, 2), TextCNN(5, 2)
    fresh = new.tables[0].weight.detach().clone()
    run = write_run(tmp_path / "run", old, name="textcnn", labels=("bad", "good"), words=old_words)
    start_from(new, run, name="textcnn", labels=("bad", "good"), words=new_words)
    taken, known = new.tables[0].weight.detach(), old.tables[0].weight.detach()
    assert torch.equal(taken[[0, 1, 3, 4]], known[[0, 1, 3, 2]])
    assert torch.equal(taken[2], fresh[2])
    assert torch.equal(new.convs[0].weight, old.convs[0].weight)


def test_a_run_of_another_net_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", lenet(2), name="lenet5", labels=("a", "b"))
    with pytest.raises(ValueError, match="is a run of lenet5, not of textcnn: start from a run of the same net"):
        start_from(TextCNN(5, 2), run, name="textcnn", labels=("a", "b"), words=["", "<unk>"])


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no best\.pt and no run\.json: --init takes the folder of a finished"):
        start_from(lenet(2), tmp_path / "run", name="lenet5", labels=("a", "b"), words=None)


def test_weights_of_which_nothing_fits_are_refused() -> None:
    with pytest.raises(ValueError, match="elsewhere has no tensor that fits"):
        take_over(lenet(2), {"conv.weight": torch.zeros(1)}, of="elsewhere")
