"""A net of large maps: the stem of all ResNets of 224 x 224 pixels, with weights as they begin."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from scripts.datasets import DataSet, Split
from scripts.export import export
from scripts.preprocessing import image_input
from scripts.recipes import Recipe
from scripts.task import make_picture_task
from tests.conftest import serving
from tests.page.conftest import answered, open_model
from tests.scripts.test_every_net import run_of
from tests.service.inspect.nets import picture

LABELS = ("dawn", "noon", "dusk")
PANEL = 400_000  # bytes, also where a picture is noise


@pytest.fixture(scope="module")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    given = image_input("resnet18", "paper", None, [224])
    rows = np.stack([picture(given, seed) for seed in range(4)])
    parts = [Split(f"noise, {name}", rows, np.arange(4) % len(LABELS)) for name in ("train", "validation", "test")]
    data = DataSet("noise", LABELS, *parts, "noise", given)
    task = make_picture_task("resnet18", "paper", data, Recipe(epochs=0, batch=1, rate=0.0))
    run = run_of("resnet18", "paper", task)
    export(task, data, run, name="resnet18", version="1", folder=models / "resnet18" / "1")
    with serving(models=models, workers=1) as url:
        yield url


@pytest.mark.parametrize(("layer", "shown"), [("convolution1", "0 to 15 of 64"), ("max1", "0 to 11 of 64")])
def test_a_layer_of_large_maps_opens_with_some_of_them(page: Page, layer: str, shown: str) -> None:
    open_model(page, "resnet18")
    page.locator("#examples button").first.click()
    answered(page)
    with page.expect_response(lambda response: f"layers={layer}&" in response.url) as told:
        page.locator(f"#layer-{layer} > summary").click()
    assert len(told.value.body()) < PANEL
    panel = page.locator(f"#layer-{layer}")
    expect(panel).to_contain_text(shown)
    panel.get_by_role("button", name="Maps after").click()
    expect(panel).not_to_contain_text(shown)
    panel.get_by_role("button", name="Maps before").click()
    expect(panel).to_contain_text(shown)
