import torch

from nets.convnetjs import ConvNetJS
from nets.servable import Pixels, Servable


def test_bytes_become_what_the_demo_feeds() -> None:
    image = torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(1, 1, 1, 3)
    assert torch.allclose(Pixels()(image).flatten(), torch.tensor([-0.5, 0.5, -0.3]), atol=1e-6)


def test_padding_is_black() -> None:
    padded = Pixels(pad=2)(torch.full((1, 28, 28, 1), 255, dtype=torch.uint8))
    assert padded.shape == (1, 1, 32, 32)
    assert float(padded[0, 0, 0, 0]) == -0.5


def test_scores_sum_to_one_and_a_temperature_only_softens_them() -> None:
    image = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)
    net = ConvNetJS()
    sharp, soft = (Servable(Pixels(), net, temperature=t)(image) for t in (0.1, 10.0))
    assert torch.allclose(sharp.sum(1), torch.ones(5))
    assert torch.equal(sharp.argmax(1), soft.argmax(1))
    assert (sharp.amax(1) > soft.amax(1)).all()
