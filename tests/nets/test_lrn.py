import pytest
import torch
from torch import nn

from nets.lrn import LocalResponseNorm
from tests.nets.parity import difference, exported


@pytest.fixture
def maps() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 9, 4, 5) * 30


def test_it_is_the_formula_of_the_paper(maps: torch.Tensor) -> None:
    found = LocalResponseNorm(k=2, alpha=1e-4)(maps)
    for i in range(9):
        total = sum(maps[:, j] ** 2 for j in range(max(0, i - 2), min(8, i + 2) + 1))
        assert torch.allclose(found[:, i], maps[:, i] / (2 + 1e-4 * total) ** 0.75, rtol=1e-5)


@pytest.mark.parametrize("k", [1.0, 2.0])
def test_torch_divides_alpha_by_the_number_of_channels_in_a_sum(maps: torch.Tensor, k: float) -> None:
    found = LocalResponseNorm(k=k, alpha=1e-4)(maps)
    assert torch.allclose(found, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=k)(maps), rtol=1e-5)
    assert not torch.allclose(found, nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=k)(maps), rtol=1e-2)


def test_fewer_channels_than_a_sum_has_are_no_problem() -> None:
    maps = torch.full((1, 1, 2, 2), 10.0)
    assert torch.allclose(LocalResponseNorm(k=1, alpha=0.15)(maps), torch.tensor(10 / 16**0.75))


def test_its_graph_has_no_power_no_weights_and_no_fixed_batch(maps: torch.Tensor) -> None:
    norm = LocalResponseNorm(k=2, alpha=1e-4)
    graph = exported(norm, maps)
    operators = [node.op_type for node in graph.graph.node]
    assert len(operators) == 17
    assert set(operators) == {"Mul", "Pad", "Slice", "Add", "Sqrt", "Div"}
    assert difference(norm, graph, maps) < 1e-6
