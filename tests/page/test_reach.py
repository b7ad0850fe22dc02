"""Everybody gets in: by keys alone, with a screen reader, in the dark, on a phone, with colours of one's own."""

import subprocess
from pathlib import Path
from shutil import copy, which
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.conftest import answered, open_model

HERE = Path(__file__).parent
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 780}
VIOLATIONS = "async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])"
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """axe-core, as npm has it."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
    if which("npm") is None:
        absent = "npm is not installed"
    else:
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        absent = installed.stderr[-500:] if installed.returncode else ""
    if absent:
        pytest.skip(absent)
    return folder / "node_modules" / "axe-core" / "axe.min.js"


def look_inside(page: Page, model: str) -> None:
    open_model(page, model)
    page.locator("#examples button").first.click()
    answered(page)
    page.locator("#layers details.layer > summary").nth(1).click()
    page.locator("#layers .sheet").first.wait_for()
    for name in ("#snippets summary", "#card summary", "#why summary"):
        page.locator(name).first.click()


@pytest.mark.parametrize("model", ["lenet5-mnist", "textcnn-mr"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, service_url: str, axe: Path, model: str, scheme: Any, viewport: Any
) -> None:
    context = browser.new_context(base_url=service_url, color_scheme=scheme, viewport=viewport, bypass_csp=True)
    page = context.new_page()
    look_inside(page, model)
    page.add_script_tag(path=axe)
    assert page.evaluate(VIOLATIONS) == []
    assert page.evaluate(OVERFLOW) <= 0
    context.close()


def test_axe_finds_what_is_wrong(browser: Browser, service_url: str, axe: Path) -> None:
    context = browser.new_context(base_url=service_url, bypass_csp=True)
    page = context.new_page()
    open_model(page, "lenet5-mnist")
    page.evaluate("() => document.body.append(document.createElement('button'))")
    page.add_script_tag(path=axe)
    assert "button-name" in [name for name, _ in page.evaluate(VIOLATIONS)]
    context.close()


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 320, "height": 640}},
        {"viewport": WIDE, "forced_colors": "active"},
        {"viewport": PHONE, "has_touch": True, "is_mobile": True, "reduced_motion": "reduce"},
    ],
    ids=["320 pixels", "forced colours", "touch"],
)
def test_other_screens_show_all_of_it(browser: Browser, service_url: str, options: dict[str, Any]) -> None:
    context = browser.new_context(base_url=service_url, **options)
    page = context.new_page()
    look_inside(page, "convnetjs-cifar10")
    assert page.evaluate(OVERFLOW) <= 0
    context.close()


def test_keys_alone_lead_from_the_top_to_an_open_layer(page: Page) -> None:
    open_model(page, "lenet5-mnist")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.locator(selector).first.evaluate("(wanted) => wanted === document.activeElement"):
                return
        raise AssertionError(f"the focus never came to {selector}")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the answer")).to_be_focused()
    tab_to("#examples button")
    page.keyboard.press("Enter")
    answered(page, "0")
    tab_to("#layer-convolution1 > summary")
    page.keyboard.press("Enter")
    expect(page.locator("#layer-convolution1 .sheet").first).to_be_visible()


def test_light_and_dark_can_be_chosen_and_the_pictures_follow(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    page.locator("#examples button").first.click()
    answered(page)
    page.locator("#layer-max1 > summary").click()
    sheet = page.locator("#layer-max1 .sheet").first
    light = sheet.get_attribute("src")
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Light")
    expect(sheet).not_to_have_attribute("src", light or "")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
