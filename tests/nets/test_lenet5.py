import pytest
import torch
from torch import nn

from nets.lenet5 import C3_TABLE, LeNet5, LeNet5Of1998, squash
from tests.nets.facts import multiply_adds, parameters, shapes


def test_the_parameters_are_those_of_the_lecture() -> None:
    assert parameters(LeNet5()) == 61_706
    assert [parameters(layer) for layer in LeNet5().children()] == [156, 2_416, 48_120, 10_164, 850]


def test_the_shapes_and_multiply_adds_are_those_of_the_paper() -> None:
    net, digit = LeNet5(), torch.zeros(1, 1, 32, 32)
    assert shapes(net, digit) == [(6, 28, 28), (16, 10, 10), (120, 1, 1), (84,), (10,)]
    assert multiply_adds(net, digit) == 416_520


def test_the_connection_table_has_60_connections_and_1516_parameters() -> None:
    assert sum(map(len, C3_TABLE)) == 60
    net = LeNet5Of1998()
    assert net.c3.trained == 1_516
    below = 156 + 12 + net.c3.trained + 32 + 48_120 + 10_164
    assert [parameters(layer) for layer in net.children()] == [156, 12, 2_416, 32, 48_120, 10_164, 850]
    assert below == 60_000


def test_missing_connections_stay_zero_in_training() -> None:
    net = LeNet5Of1998()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.randn(8, 1, 32, 32)), torch.arange(8)).backward()
        optimizer.step()
    absent = net.c3.mask.expand_as(net.c3.weight) == 0
    assert (net.c3.weight[absent] == 0).all()
    assert (net.c3.weight[~absent] != 0).all()


def test_the_squashing_function_keeps_one_at_one() -> None:
    assert float(squash(torch.tensor(1.0))) == pytest.approx(1.0, abs=1e-4)
