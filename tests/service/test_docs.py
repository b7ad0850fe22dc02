"""The page /docs, in a real browser that can reach nothing but the service."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def test_the_example_of_the_docs_page_is_answered_when_tried(page: Page, tiny_url: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{tiny_url}/docs")
    operation = page.locator(".opblock-post", has=page.get_by_text("/v1/models/{name}/predict", exact=True))
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response .highlight-code").first
    answer.wait_for()
    assert '"predictions"' in answer.inner_text()
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {tiny_url.split("/")[2]}
