import pytest
import torch
import torch.nn.functional as F

from nets.textcnn import PAD, TextCNN, Variant
from tests.nets.facts import parameters

WORDS = 50


def net(variant: Variant = "rand", labels: int = 2) -> TextCNN:
    torch.manual_seed(0)
    vectors = None if variant == "rand" else torch.randn(WORDS, 300)
    return TextCNN(WORDS, labels, variant=variant, vectors=vectors)


@pytest.mark.parametrize(("labels", "expected"), [(2, 360_902), (6, 362_106)])
def test_the_parameters_besides_the_table_are_the_paper_s(labels: int, expected: int) -> None:
    assert parameters(net(labels=labels)) - WORDS * 300 == expected


def test_padding_changes_no_answer() -> None:
    kim = net().eval()
    ids = torch.randint(1, WORDS, (4, 7))
    assert torch.allclose(kim(ids), kim(F.pad(ids, (0, 40), value=PAD)), atol=1e-6)


def test_a_sentence_shorter_than_the_filters_and_an_empty_one_are_answered() -> None:
    assert net().eval()(torch.tensor([[3]])).isfinite().all()
    assert net().eval()(torch.empty(2, 0, dtype=torch.long)).shape == (2, 2)


def train_a_little(kim: TextCNN) -> None:
    optimizer = torch.optim.Adam([p for p in kim.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(kim(torch.randint(0, WORDS, (8, 9))), torch.arange(8) % 2).backward()
        optimizer.step()
        kim.limit_norm()


@pytest.mark.parametrize(
    ("variant", "moved"),
    [("rand", [True]), ("static", [False]), ("non-static", [True]), ("multichannel", [False, True])],
)
def test_only_the_tables_that_may_move_do(variant: Variant, moved: list[bool]) -> None:
    kim = net(variant)
    before = [table.weight.clone() for table in kim.tables]
    train_a_little(kim)
    assert [not torch.equal(old, table.weight) for old, table in zip(before, kim.tables, strict=True)] == moved
    assert all((table.weight[PAD] == 0).all() for table in kim.tables)


def test_the_norm_of_the_last_layer_is_limited() -> None:
    kim = net()
    with torch.no_grad():
        kim.output.weight *= 100
    kim.limit_norm()
    assert torch.allclose(kim.output.weight.norm(dim=1), torch.tensor(3.0))


def test_multichannel_adds_the_convolutions_before_pooling() -> None:
    kim = net("multichannel").eval()
    ids = torch.randint(1, WORDS, (3, 8))
    double = net("non-static").eval()
    double.load_state_dict({k: v for k, v in kim.state_dict().items() if "tables" not in k}, strict=False)
    with torch.no_grad():
        double.tables[0].weight.copy_(kim.tables[0].weight + kim.tables[1].weight)
    assert torch.allclose(kim(ids), double(ids), atol=1e-5)


def test_variants_say_whether_they_need_vectors() -> None:
    with pytest.raises(ValueError, match="needs"):
        TextCNN(WORDS, 2, variant="static")
    with pytest.raises(ValueError, match="takes no"):
        TextCNN(WORDS, 2, vectors=torch.zeros(WORDS, 300))
