"""What is shown of a net is what torch computes: activations, what a logit is made of, and the served scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

from service.engine.proof import prove
from service.engine.rows import Row, read_row, stack
from service.errors import ModelRefused
from service.inspect.evidence import explain
from service.inspect.looked import Looked
from service.inspect.parts import show_cam
from service.inspect.question import Question
from service.inspect.view import View
from tests.conftest import ROOT, write_colour
from tests.service.inspect.nets import LABELS, TEMPERATURE, Exported, Tensors, export

NETS = [
    *(
        ("lenet5", "modern"),
        ("lenet5", "1998"),
        ("convnetjs", "demo"),
        ("alexnet", "paper"),
        ("alexnet", "torchvision"),
    ),
    *(("googlenet", "paper"), ("resnet18", "paper"), ("resnet20", "paper")),
]
COMMITTED = sorted(path.parent for path in (ROOT / "models").glob("*/*/model.json"))


@pytest.fixture(scope="module", params=NETS, ids="-".join)
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(*request.param, tmp_path_factory.mktemp("nets") / "net" / "1")


def look(exported: Exported, question: Question) -> Looked:
    return Looked(exported.view, Row(exported.row, 1, {}), question)


def test_every_layer_is_a_tensor_that_torch_makes_and_no_other_input_s(net: Exported) -> None:
    looked = look(net, Question())
    tensors = Tensors()
    with tensors, torch.no_grad():
        net.logits(net.row)
    assert len(looked.shown) == len(net.view.spec.inspect.layers if net.view.spec.inspect else ())
    for seen in looked.shown:
        values = looked.values[seen.layer.tensor]
        assert tensors.like(values), f"{seen.id}: torch has no such tensor"
        assert not tensors.like(values * 1.5 + 0.1), seen.id


def test_the_scores_are_those_that_are_served(net: Exported) -> None:
    row = net.row
    served = net.serving.run(stack([row]))[0]
    looked = look(net, Question(every_method=True))
    if net.view.spec.graph.weights:  # added in another order
        assert np.abs(looked.scores - served).max() < 1e-6
    else:
        np.testing.assert_array_equal(looked.scores, served)
    assert looked.temperature == pytest.approx(TEMPERATURE)


def test_the_cells_and_the_bias_are_the_logit_of_every_class(net: Exported) -> None:
    with torch.no_grad():
        logits = net.logits(net.row)[0]
    for label, logit in zip(LABELS, logits.tolist(), strict=True):
        cam = show_cam(look(net, Question(target=label, methods=("cam",))))
        assert cam["logit"] == pytest.approx(logit, abs=1e-4 * max(1, abs(logit)))
        if not cam["exact"]:
            assert net.view.method == "none"
            assert cam["says"] is cam["sum"] is cam["cells"] is None
            assert "tanh" in cam["about"]
            continue
        assert net.view.method in ("gap_fc", "flatten_fc", "mlp_head")
        assert abs(cam["sum"] - logit) < 1e-4 * max(1, abs(logit))
        assert cam["sum"] == pytest.approx(sum(map(sum, cam["values"])) + cam["bias"])
        assert np.abs(cam["values"]).max() > 1e-4 * abs(cam["bias"])


def test_the_map_is_gradient_times_activation_as_autograd_has_it(net: Exported) -> None:
    view = net.view
    assert view.head is not None
    looked = look(net, Question(methods=("cam",), target="1"))
    tensors = Tensors()
    for parameter in net.task.net.parameters():
        parameter.requires_grad_(True)
    with tensors:
        net.logits(net.row)[0, 1].backward()
    maps = tensors.like(looked.values[view.head.maps])
    assert maps
    found = looked.evidence()
    gradients = [each for each in maps if each.grad is not None]
    products = [(each.grad * each).detach()[0].sum(0).double().numpy() for each in gradients if each.grad is not None]
    scale = np.abs(found.cells).max()
    assert min(np.abs(each - found.cells).max() for each in products) < 1e-4 * scale
    net.task.net.zero_grad()


def test_a_layer_that_is_masked_wrongly_does_not_add_up(net: Exported) -> None:
    """What the sum is checked against can fail."""
    view = net.view
    if not view.head or not view.head.exact:
        pytest.skip("the sum of this net is not the logit")
    looked = look(net, Question(methods=("cam",)))
    values = dict(looked.values)
    values[view.head.maps] = values[view.head.maps] * 1.1
    wrong = explain(view.graph, view.head, values, looked.target, len(LABELS))
    logit = looked.logit(looked.target)
    assert logit is not None
    assert abs(wrong.sum - logit) > 1e-4 * max(1, abs(logit))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.parent.name)
def test_a_committed_model_is_inspected_with_the_scores_it_serves_and_its_sum_is_the_logit(folder: Path) -> None:
    proven = prove(folder, provider="cpu")
    view = View(proven.spec, folder, proven.hashed)
    assert proven.spec.inspect is not None
    assert view.method == proven.spec.inspect.method
    for golden in proven.golden:
        row = read_row(golden.input, proven.spec.input)
        looked = Looked(view, row, Question(methods=("cam",) if "cam" in view.methods else ()))
        served = proven.session.run(stack([row.row]))[0]
        np.testing.assert_array_equal(looked.scores, served)
        assert looked.logits is not None
        assert looked.temperature is not None
        powers = np.exp((looked.logits - looked.logits.max()) / looked.temperature)
        np.testing.assert_allclose(powers / powers.sum(), looked.scores, atol=1e-6)
        if "cam" in looked.methods:
            cam = show_cam(looked)
            assert cam["exact"]
            assert cam["error"] < 1e-4 * max(1, abs(cam["logit"]))


def test_the_first_layers_of_the_committed_models_come_from_the_input() -> None:
    spec = prove(COMMITTED[0], provider="cpu").spec
    layers = View(spec, COMMITTED[0], None).layers
    before = {seen.id: seen.input for seen in layers}
    assert before["convolution1"] == "image"
    assert before["max1"] == "convolution1"
    assert before["fully1"] == "max3"
    assert sum(seen.parameters for seen in layers) == 22_466


def test_a_foreign_graph_without_a_block_shows_its_layers(tmp_path: Path) -> None:
    folder = write_colour(tmp_path / "colour" / "1")
    proven = prove(folder, provider="cpu")
    assert proven.spec.inspect is None
    view = View(proven.spec, folder, None)
    assert [seen.layer.title for seen in view.shown] == ["global average pooling 1"]
    assert view.method == "gap_fc"
    row = read_row(proven.golden[0].input, proven.spec.input)
    looked = Looked(view, row, Question(methods=("cam",)))
    assert show_cam(looked)["cells"] == pytest.approx(10)
    np.testing.assert_allclose(looked.maps(looked.shown[0]).values.ravel(), [10, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(looked.scores, proven.session.run(stack([row.row]))[0])


def test_a_graph_that_was_changed_on_disk_is_not_shown(tmp_path: Path) -> None:
    folder = write_colour(tmp_path / "colour" / "1")
    spec = prove(folder, provider="cpu").spec
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelRefused, match="restore the file"):
        View(spec, folder, None)
