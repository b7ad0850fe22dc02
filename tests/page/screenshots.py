"""The page as docs/images/ shows it, of pictures and sentences of our own: `python -m tests.page.screenshots`."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ROOT, serving
from tests.page.conftest import answered, launch, open_model

IMAGES = ROOT / "docs" / "images"
DESKTOP, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}
COLOURS = 256  # of a palette: enough for a page, and a third of the bytes


@dataclass(frozen=True)
class Shot:
    name: str
    model: str
    example: int
    scheme: Any
    viewport: Any
    layer: str
    map: int = 0
    top: str = "header"  # what stands at the upper edge


SHOTS = (
    Shot("page-light", "lenet5-mnist", 7, "light", DESKTOP, "max1", 1),
    Shot("page-dark", "convnetjs-cifar10", 0, "dark", DESKTOP, "convolution1", 6),
    Shot("page-sentence", "textcnn-mr", 0, "light", DESKTOP, "conv3"),
    Shot("page-layer", "lenet5-mnist", 7, "light", DESKTOP, "max1", 1, top="#layers"),
    Shot("page-phone-light", "lenet5-mnist", 7, "light", PHONE, "max1", 1, top="#answer-panel"),
    Shot("page-phone-dark", "convnetjs-cifar10", 0, "dark", PHONE, "convolution1", 6, top="#inside-panel"),
)


def take(page: Page, shot: Shot) -> bytes:
    open_model(page, shot.model)
    expect(page.locator("#live")).to_contain_text("answered")  # the first of two readings that make a rate
    for _ in range(2):  # the first answer's times are those of a browser that is still at work on its page
        with page.expect_response(re.compile("/inspect")):
            page.locator("#examples button:enabled").nth(shot.example).click()
        answered(page)
    layer = page.locator(f"#layer-{shot.layer}")
    layer.locator("> summary").click()
    layer.locator(".sheet").first.wait_for()
    layer.locator("input[type=number]").first.fill(str(shot.map))
    layer.get_by_role("button", name="Watch the window move").click()
    layer.locator(".closer canvas").first.wait_for()
    page.evaluate("(top) => document.querySelector(top).scrollIntoView()", shot.top)
    page.evaluate("() => document.activeElement.blur()")
    expect(page.locator("#live")).to_contain_text(re.compile(r"latency \d"))
    return page.screenshot()


def shoot(browser: Browser, url: str, folder: Path) -> None:
    for shot in SHOTS:
        context = browser.new_context(base_url=url, color_scheme=shot.scheme, viewport=shot.viewport)
        picture = Image.open(io.BytesIO(take(context.new_page(), shot))).convert("RGB")
        picture.quantize(COLOURS).save(folder / f"{shot.name}.png", optimize=True)
        context.close()


def main() -> int:
    IMAGES.mkdir(exist_ok=True)
    with serving(models=ROOT / "models", workers=1) as url, sync_playwright() as playwright:
        browser = launch(playwright)
        shoot(browser, url, IMAGES)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
