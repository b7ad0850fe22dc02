import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from scripts import golden
from scripts.adopt import main, parse_args
from service.engine.proof import prove
from service.spec import read_spec
from tests.conftest import ROOT, encode, serving
from tests.scripts.origins import LIGHT, keras_like, light, quiet, torch_export

CAFFE = ("--channels-order", "bgr", "--value-range", "255", "--mean", "104,117,123")
TORCH = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")


def adopt(graph: Path, name: str, labels: int, *options: str, models: Path | None = None) -> Path:
    """The folder of version 1, by the command as it is typed."""
    listed = graph.parent / f"{name}.txt"
    listed.write_text("".join(f"label {at}\n" for at in range(labels)))
    models = models or graph.parent / "models"
    assert main([str(graph), "--name", name, "--labels", str(listed), "--models", str(models), *options]) == 0
    return models / name / "1"


def asked_alone(graph: Path, picture: Image.Image, prepare: Callable[[Any], Any]) -> Any:
    """What ONNX Runtime alone answers, in a batch that the graph is willing to take."""
    session = ort.InferenceSession(str(graph), quiet())
    (given, *_) = session.get_inputs()
    batch = given.shape[0] if isinstance(given.shape[0], int) else 1
    rows = np.repeat(prepare(np.asarray(picture, np.float32))[np.newaxis], batch, axis=0)
    return session.run(None, {given.name: rows.astype(np.float32)})[0][0].ravel()


def asked_over_http(url: str, name: str, jpeg: bytes, labels: int) -> Any:
    answer = httpx2.post(f"{url}/v1/models/{name}/predict?top_k={labels}", content=jpeg, timeout=60)
    assert answer.status_code == 200, answer.text
    scores = np.zeros(labels)
    for ranked in answer.json()["predictions"][0]["top"]:
        assert ranked["label"] == f"label {ranked['index']}"
        scores[ranked["index"]] = ranked["score"]
    return scores


def jpeg_of(width: int, height: int) -> tuple[bytes, Image.Image]:
    """A photograph-like file of the very size of the graph's input, and its pixels as Pillow reads them."""
    encoded = encode(golden.truck(320).resize((width, height)), "JPEG", quality=90)
    return encoded, Image.open(io.BytesIO(encoded)).convert("RGB")


@pytest.mark.parametrize("name", ["bvlc_alexnet", "inception_v1", "resnet50"])
def test_a_light_model_of_the_onnx_package_is_served_as_onnx_runtime_has_it(tmp_path: Path, name: str) -> None:
    """IR 3, opset 9, a batch of 1 that is baked into a Reshape, BGR without a scale, 28 to 244 MB."""
    path = light(name, tmp_path)
    spec = read_spec(adopt(path, name, 1000, *CAFFE, "--shorter-side", "256") / "model.json")
    assert spec.graph.weights is not None
    assert spec.graph.bytes < 1_000_000 < spec.graph.weights.bytes
    encoded, pixels = jpeg_of(256, 256)
    crop = pixels.crop((16, 16, 240, 240))
    alone = asked_alone(path, crop, lambda x: (x[..., ::-1] - (104, 117, 123)).transpose(2, 0, 1))
    with serving(models=tmp_path / "models") as url:
        served = asked_over_http(url, name, encoded, 1000)
    assert np.abs(served - alone).max() < 1e-5
    assert served.argmax() == alone.argmax()
    assert np.ptp(alone) > 1e-3


@pytest.mark.parametrize("name", ["densenet121", "inception_v2", "shufflenet", "squeezenet", "zfnet512"])
def test_the_other_light_models_join_as_they_are(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Their weights are all alike, which is seen and said."""
    path = LIGHT / f"light_{name}.onnx"
    listed = tmp_path / "labels.txt"
    listed.write_text("".join(f"label {at}\n" for at in range(1000)))
    main([str(path), "--name", name, "--labels", str(listed), "--models", str(tmp_path / "models")])
    assert "every picture has the same scores" in capsys.readouterr().out
    spec = read_spec(tmp_path / "models" / name / "1" / "model.json")
    assert spec.origin is not None
    assert spec.origin.appended == ("softmax" if name == "densenet121" else None)
    assert spec.origin.files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize(("dynamic", "batch"), [(True, 2), (False, 1), (False, 2)])
def test_a_torch_export_is_served_with_a_softmax_whatever_its_batch(tmp_path: Path, dynamic: bool, batch: int) -> None:
    path = torch_export(tmp_path, dynamic=dynamic, batch=batch)
    adopt(path, "small", 5, *TORCH)
    encoded, pixels = jpeg_of(32, 32)
    mean, std = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    logits = asked_alone(path, pixels, lambda x: ((x / 255 - mean) / std).transpose(2, 0, 1))
    with serving(models=tmp_path / "models") as url:
        served = asked_over_http(url, "small", encoded, 5)
    assert served == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-5)
    assert np.ptp(served) > 0.01


def test_a_keras_graph_keeps_its_layout_and_its_softmax(tmp_path: Path) -> None:
    path = keras_like(tmp_path)
    folder = adopt(path, "keras", 4, "--mean", "0.5", "--std", "0.5", "--fit", "stretch")
    spec = read_spec(folder / "model.json")
    assert spec.origin is not None
    assert (spec.origin.layout, spec.origin.appended, spec.scores) == ("nhwc", None, "softmax")
    assert [node.op_type for node in onnx.load(folder / "model.onnx").graph.node].count("Softmax") == 1
    encoded, pixels = jpeg_of(16, 24)
    alone = asked_alone(path, pixels, lambda x: x / 127.5 - 1)
    with serving(models=tmp_path / "models") as url:
        assert asked_over_http(url, "keras", encoded, 4) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("ending", ["Sigmoid", "Identity"])
def test_several_labels_may_hold_at_once(tmp_path: Path, ending: str) -> None:
    path = keras_like(tmp_path, ending, None, None)
    folder = adopt(path, "tags", 4, "--scores", "sigmoid", "--size", "24x16", "--fit", "pad")
    proven = prove(folder, provider="cpu")
    assert (proven.spec.input.height, proven.spec.input.width) == (24, 16)
    assert proven.spec.scores == "sigmoid"
    picture = golden.ship(40).resize((16, 24))
    alone = asked_alone(path, picture, lambda x: x / 255)
    if ending == "Identity":
        alone = 1 / (1 + np.exp(-alone))
    assert proven.session.run(np.asarray(picture)[np.newaxis])[0] == pytest.approx(alone, abs=1e-5)


def test_the_next_version_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = keras_like(tmp_path)
    first = adopt(path, "keras", 4)
    before = (first / "model.json").read_bytes()
    adopt(path, "keras", 4, "--mean", "0.5")
    assert read_spec(tmp_path / "models" / "keras" / "2" / "model.json").version == "2"
    assert (first / "model.json").read_bytes() == before


def changed(path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("training", TensorProto.BOOL, []))


def custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[2].domain = "my.ops"
    model.opset_import.append(helper.make_opsetid("my.ops", 1))


def cast_in(kind: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind
        model.graph.node.insert(0, helper.make_node("Cast", ["input_1"], ["floats"], to=TensorProto.FLOAT))
        model.graph.node[1].input[0] = "floats"

    return change


def cast_out(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Cast", ["scores"], ["half"], to=TensorProto.FLOAT16))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("half", TensorProto.FLOAT16, [None, 4]))


def two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 4]))


def fixed_inside(model: onnx.ModelProto) -> None:
    """The features of a batch become one row, where Flatten would keep the rows."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 6], np.int64), "one_row"))
    model.graph.node[4].CopyFrom(helper.make_node("Reshape", ["pooled", "one_row"], ["flat"]))


def mixing(model: onnx.ModelProto) -> None:
    """Each row less the mean of the batch, as a net in training mode has it."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "rows"))
    model.graph.node.insert(5, helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[0]))
    model.graph.node.insert(6, helper.make_node("Sub", ["flat", "mean"], ["less"]))
    model.graph.node[7].input[0] = "less"


def text_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (second_input, (), "2 inputs .'input_1', 'training'.: expected one"),
        (custom_operator, (), "my.ops.Relu: allowed are"),
        (cast_in(TensorProto.FLOAT16), (), "float16: expected float"),
        (cast_in(TensorProto.DOUBLE), (), "double: expected float"),
        (cast_in(TensorProto.UINT8), (), "uint8: expected float"),
        (text_input, (), "only classifiers of pictures"),
        (cast_out, (), "not a float32 tensor"),
        (two_outputs, (), "2 outputs: choose one with --output, of scores, logits"),
        (two_outputs, ("--output", "embedding"), "no output 'embedding'"),
        (fixed_inside, (), "batches of 1, 2 and 5 .*fixed inside it. Export it again"),
        (mixing, (), "answers change by .* with the batch"),
        (lambda model: setattr(model, "ir_version", 99), (), "IR version 99.*export again with an older one"),
        (lambda model: setattr(model.opset_import[0], "version", 99), (), "opset 99.*export again with an older one"),
        (lambda model: None, ("--labels", "a,b,c"), "4 numbers a picture and --labels has 3"),
        (lambda model: None, ("--size", "224"), "takes 24 pixels where --size says 224"),
        (lambda model: None, ("--scores", "sigmoid"), "leave --scores sigmoid out"),
        (lambda model: None, ("--layout", "nchw"), "no channels dimension of 1 or 3 where nchw"),
        (lambda model: None, ("--mean", "1,2"), "--mean has 2 numbers: expected 1, or 3"),
        (lambda model: None, ("--std", "0"), "--std 0.0 divides"),
        (lambda model: None, ("--shorter-side", "20"), "must be at least 24"),
    ],
)
def test_what_does_not_fit_is_said_with_its_remedy(
    tmp_path: Path, change: Callable[[onnx.ModelProto], object], options: tuple[str, ...], words: str
) -> None:
    path = changed(keras_like(tmp_path), change)
    command = [str(path), "--name", "keras", "--labels", "a,b,c,d", "--models", str(tmp_path / "models"), *options]
    with pytest.raises(SystemExit, match=words):
        main(command)
    assert not list((tmp_path / "models").glob("*"))


def test_a_graph_of_any_size_needs_one_that_it_can_run(tmp_path: Path) -> None:
    command = ["--name", "keras", "--labels", "a,b,c,d", "--models", str(tmp_path / "models")]
    with pytest.raises(SystemExit, match="say --size"):
        main([str(keras_like(tmp_path, "Softmax", None, None)), *command])
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 4))
    path = changed(torch_export(tmp_path, dynamic=True, net=net), any_size)
    with pytest.raises(SystemExit, match=r"can not run pictures of 40 x 40 .*--size"):
        main([str(path), *command, "--size", "40"])
    assert main([str(path), *command, "--size", "32"]) == 0


def any_size(model: onnx.ModelProto) -> None:
    for at in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[at].dim_param = f"side{at}"


def test_one_of_several_outputs_is_taken(tmp_path: Path) -> None:
    path = changed(keras_like(tmp_path), two_outputs)
    folder = adopt(path, "logits", 4, "--output", "logits")
    spec = read_spec(folder / "model.json")
    assert spec.origin is not None
    assert spec.origin.appended == "softmax"


def test_a_grey_net_is_proven_on_digits(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 24 * 24, 10))
    path = torch_export(tmp_path, dynamic=True, net=net, shape=(1, 28, 28))
    proven = prove(adopt(path, "grey", 10, "--mean", "0.1307", "--std", "0.3081"), provider="cpu")
    assert proven.spec.input.channels == 1
    assert len(proven.golden) == 11
    with pytest.raises(SystemExit, match="bgr needs 3 channels"):
        adopt(path, "grey", 10, "--channels-order", "bgr")


def test_a_layout_that_could_be_either_must_be_said(tmp_path: Path) -> None:
    path = torch_export(tmp_path, dynamic=True, net=nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), shape=(3, 3, 3))
    with pytest.raises(SystemExit, match="say --layout nchw or nhwc"):
        adopt(path, "tiny", 4)
    spec = read_spec(adopt(path, "tiny", 4, "--layout", "nchw") / "model.json")
    assert spec.origin is not None
    assert spec.origin.layout == "nchw"


@pytest.mark.parametrize("page", ["docs/adopt.md", "scripts/adopt.py"])
def test_the_commands_on_the_pages_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    text = (ROOT / page).read_text().replace("\\\n", " ")
    commands = re.findall(r"^python -m scripts.adopt (.+)$", text, re.MULTILINE)
    assert len(commands) >= 3
    monkeypatch.chdir(tmp_path)
    for command in commands:
        for file in re.findall(r"--labels (\S+\.txt)", command):
            Path(file).write_text("cat\ndog\n")
        assert len(parse_args(command.split()).labels) >= 2


def test_names_of_the_graph_never_meet_ours(tmp_path: Path) -> None:
    names = {"input_1": "image", "conv": "pixels", "relu": "bytes", "kernel": "scale", "dense": "logits", "logits": "x"}

    def rename(model: onnx.ModelProto) -> None:
        model.graph.input[0].name = names["input_1"]
        for tensor in model.graph.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        for node in model.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    prove(adopt(changed(keras_like(tmp_path), rename), "keras", 4), provider="cpu")


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    command = [str(path), "--name", "page", "--labels", "a,b", "--models", str(tmp_path / "models")]
    with pytest.raises(SystemExit, match="can not be read"):
        main(command)
    path.write_text("<html>not found</html>")
    with pytest.raises(SystemExit, match=r"not an ONNX file|can not be read"):
        main(command)


def test_a_graph_with_its_weights_outside_is_adopted_with_them(tmp_path: Path) -> None:
    path = torch_export(tmp_path, dynamic=True)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="small.bin")
    spec = read_spec(adopt(path, "small", 5) / "model.json")
    assert spec.origin is not None
    assert spec.origin.files.keys() == {"small.onnx", "small.bin"}
    (tmp_path / "small.bin").unlink()
    with pytest.raises(SystemExit, match="weights beside it"):
        adopt(path, "small", 5)


def test_an_old_opset_is_brought_up_when_the_answers_stay(tmp_path: Path) -> None:
    model = onnx.load(
        torch_export(tmp_path, dynamic=False, batch=1, net=nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten()))
    )
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [
        helper.make_node("Conv", ["x", *list(weights)[:2]], ["conv"]),
        helper.make_node("Flatten", ["conv"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["y"]),
    ]
    inputs = [("x", [1, 3, 32, 32]), *((name, list(weights[name].dims)) for name in list(weights)[:2])]
    graph = helper.make_graph(
        nodes,
        "old",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [weights[name] for name in list(weights)[:2]],
    )
    path = tmp_path / "old.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3), path)
    spec = read_spec(adopt(path, "old", 4) / "model.json")
    assert spec.origin is not None
    assert (spec.origin.opset, spec.graph.opset) == (6, 13)
