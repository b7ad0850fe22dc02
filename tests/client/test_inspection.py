"""`client.inspect`, `client.activations` and `maxpool inspect`, against the committed models."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maxpool_client import Inspection, InvalidInput, Layer, Overloaded, UnknownModel
from maxpool_client._command import main
from maxpool_client._command.inspect import CHANNELS, PIXELS, TOGETHER, choose, requests
from maxpool_client._command.report import bounds
from PIL import Image
from starlette.responses import JSONResponse

from .conftest import Caller, StandIn

MODELS = Path(__file__).parents[2] / "models"
SHIP = MODELS / "convnetjs-cifar10" / "1" / "golden" / "ship.png"
SENTENCE = "it is <b>great</b>, and <img src=x onerror=alert(1)>"


def test_a_summary_is_typed_and_says_what_else_there_is(call: Caller, service_url: str) -> None:
    found: Inspection = call(service_url, lambda c: c.inspect("convnetjs-cifar10", SHIP))
    predicted = call(service_url, lambda c: c.classify("convnetjs-cifar10", SHIP))
    assert (found.prediction.label, found.prediction.input) == (predicted.label, predicted.input)
    assert found.prediction.score == found.target.score == pytest.approx(predicted.score, abs=1e-6)
    assert (found.method, found.methods) == ("flatten_fc", ("cam", "switches", "filters", "occlusion"))
    assert found.layers[0].shape == (16, 32, 32)
    assert found.layers[0].parameters == 1216
    assert found.layers[0].sheet is None
    assert found.picture is not None
    assert Image.open(io.BytesIO(found.picture)).size == (32, 32)
    assert found.cam is None


def test_layers_methods_and_a_target_are_asked_for(call: Caller, service_url: str) -> None:
    found: Inspection = call(
        service_url,
        lambda c: c.inspect(
            "convnetjs-cifar10",
            SHIP.read_bytes(),
            target="cat",
            layers=["max1", "max3"],
            channels=(2, 6),
            methods=["cam", "switches"],
            palette="dark",
            scale="map",
            version=1,
        ),
    )
    assert found.target.label == "cat"
    assert found.cam is not None
    assert found.cam["logit"] == found.logit
    sheet = found.layers[1].sheet
    assert sheet is not None
    assert (sheet.channels, sheet.cell) == ((2, 6), (4, 4))
    assert Image.open(io.BytesIO(sheet.png)).size == (
        sheet.gutter + sheet.columns * (sheet.cell[1] + sheet.gutter),
        sheet.gutter + sheet.rows * (sheet.cell[0] + sheet.gutter),
    )
    assert [each["layer"] for each in found.switches or []] == ["max1", "max3"]
    assert [(each.input, each.pooled_from) for each in found.layers] == [("convolution1",) * 2, ("convolution3",) * 2]
    assert [(each.kernel, each.stride, each.pad) for each in found.layers] == [((2, 2), (2, 2), (0, 0, 0, 0))] * 2


def test_a_sentence_has_its_words(call: Caller, service_url: str) -> None:
    found: Inspection = call(service_url, lambda c: c.inspect("textcnn-mr", "a great film", methods="all", layers=[]))
    assert found.tokens == ("a", "great", "film")
    assert found.words is not None
    assert found.words["error"] < 1e-4
    assert (found.layers, found.picture) == ((), None)


def test_activations_are_arrays(call: Caller, service_url: str) -> None:
    file = call(service_url, lambda c: c.activations("convnetjs-cifar10", SHIP, ["max3", "convolution1"]))
    arrays = np.load(io.BytesIO(file))
    assert {name: array.shape for name, array in arrays.items()} == {
        "convolution1": (16, 32, 32),
        "max3": (20, 4, 4),
        "scores": (10,),
        "logits": (10,),
        "image": (32, 32, 3),
    }


def test_refusals_are_those_of_classify(call: Caller, service_url: str) -> None:
    with pytest.raises(InvalidInput, match="no layer 'nix'"):
        call(service_url, lambda c: c.inspect("convnetjs-cifar10", SHIP, layers="nix"))
    with pytest.raises(UnknownModel):
        call(service_url, lambda c: c.inspect("nix", SHIP))
    with pytest.raises(TypeError, match="one input at a time"):
        call(service_url, lambda c: c.inspect("convnetjs-cifar10", [SHIP]))


def test_a_busy_inspector_is_asked_again(call: Caller, stand_in: StandIn, slept: list[float]) -> None:
    busy = JSONResponse({"error": "another inspection"}, 503, headers={"retry-after": "1"})
    stand_in.instead.extend([busy] * 3)
    with pytest.raises(Overloaded):
        call(stand_in.url, lambda c: c.inspect("lenet5-mnist", b"seven"))
    assert len(slept) == 2


class Report(HTMLParser):
    """What a browser would fetch or run of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "onerror")]


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        ("convnetjs-cifar10", str(SHIP), r"cells [\d.]+ [+-] bias [\d.]+ = logit [\d.]+"),
        ("lenet5-mnist", str(MODELS / "lenet5-mnist" / "1" / "golden" / "digit-3.jpg"), "cells"),
        ("resnet20-cifar10-int8", str(SHIP), "sum with the shortcut 9"),
        ("textcnn-mr", SENTENCE, "words .* = logit .*n-grams .* = logit"),
    ],
)
def test_a_report_has_all_in_itself(
    service_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    given: str,
    said: str,
) -> None:
    monkeypatch.setenv("MAXPOOL_URL", service_url)
    out = tmp_path / "report.html"
    assert main(["inspect", model, given, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    text = out.read_text()
    assert re.search(said, text, re.DOTALL)
    page = Report(text)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.tags.count("img") >= (7 if "cifar10" in model or "mnist" in model else 6)
    assert "http" not in text


def test_a_report_of_some_layers_and_another_class(
    service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAXPOOL_URL", service_url)
    out = tmp_path / "report.html"
    arguments = ["inspect", "convnetjs-cifar10", str(SHIP), "--out", str(out)]
    assert main([*arguments, "--target", "cat", "--layers", "max1,max2"]) == 0
    assert "Why cat" in out.read_text()
    assert re.findall("<code>(.+?)</code>", out.read_text()) == ["max1", "max2"]
    assert main([*arguments, "--layers", "nix"]) == 2
    assert "expected of convolution1" in capsys.readouterr().err


def layer(id: str, channels: int, side: int, group: str | None = None) -> Layer:
    shape, window = (channels, side, side), ((3, 3), (1, 1), (1, 1, 1, 1))
    return Layer(id, id, "Conv", group, shape, *shape, "image", None, *window, 0.0, 1.0, 0.5, 0.0, 0)


def test_a_deep_net_is_shown_by_the_last_layer_of_each_block() -> None:
    layers = [
        layer("first", 1, 1),
        *(layer(f"{at}", 1, 1, f"block {at // 4}") for at in range(40)),
        layer("last", 1, 1),
    ]
    assert [each.id for each in choose(layers, None)] == ["first", *(f"{at}" for at in range(3, 40, 4)), "last"]
    assert choose(layers, "all") == layers
    assert choose(layers[:9], None) == layers[:9]


def test_a_layer_that_overflowed_is_told_in_words() -> None:
    overflowed = replace(layer("conv", 1, 1), min=None, max=None, mean=None)
    assert bounds(overflowed) == "with values that are no numbers"
    assert bounds(layer("conv", 1, 1)) == "from 0 to 1"


def test_requests_are_within_the_service_s_limits() -> None:
    layers = [*(layer(f"{at}", 64, 56) for at in range(30)), layer("large", 64, 224), *(layer("v", 10, 1),) * 20]
    asked: list[Any] = list(requests(layers))
    assert [each for group, _ in asked for each in group] == sorted(
        layers, key=[each for group, _ in asked for each in group].index
    )
    for group, channels in asked:
        assert len(group) <= TOGETHER
        shown = CHANNELS if channels is None else channels[1]
        assert sum((each.height + 1) ** 2 * min(each.channels, shown) for each in group) <= PIXELS
    assert [channels for group, channels in asked if group[0].id == "large"] == [(0, PIXELS // 225**2)]
