"""The page as people see it: real Chromium, the real server of the committed models."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@dataclass
class Seen:
    """What a browser did beside what was asked of it."""

    elsewhere: list[str] = field(default_factory=list)  # requests that would have left the host
    complaints: list[str] = field(default_factory=list)  # of the console, and errors that nobody caught


# Of a module: its event loop runs in this thread until it ends, and asyncio has no second one in a thread.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    expect.set_options(timeout=20_000)  # the machine may have other work
    with sync_playwright() as playwright:
        yield playwright


def launch(playwright: Playwright, *more: str) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *more])


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    yield browser
    browser.close()


def watched(context: BrowserContext, url: str, seen: Seen) -> Page:
    """A page that can reach the service alone, and of which everything else is written down."""

    def stay(route: Route) -> None:
        if route.request.url.startswith((url, "blob:", "data:")):
            route.continue_()
        else:
            seen.elsewhere.append(route.request.url)
            route.abort()

    def heard(message: ConsoleMessage) -> None:
        # A refusal that the page shows in words is told by the browser as well.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            seen.complaints.append(message.text)

    context.route("**/*", stay)
    page = context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.set_default_timeout(20_000)
    return page


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, service_url: str, seen: Seen) -> Iterator[Page]:
    """On the address of the service. Whatever a test does, no request left the host and the console is clean."""
    context = browser.new_context(base_url=service_url, viewport={"width": 1280, "height": 900})
    yield watched(context, service_url, seen)
    context.close()
    assert seen.elsewhere == []
    assert seen.complaints == []


def open_model(page: Page, name: str, **query: Any) -> None:
    page.goto(f"/?model={name}")
    page.locator("#examples button:enabled").first.wait_for()


def give(page: Page, *files: Path | dict[str, Any]) -> None:
    page.locator("#files").set_input_files(list(files))  # type: ignore[arg-type]


def answered(page: Page, label: str | None = None) -> None:
    """Until the answer and the inside of it are there."""
    expect(page.locator("#answer strong")).to_have_text(label or re.compile("."), timeout=20_000)
    expect(page.locator("#layers details").first).to_be_attached(timeout=20_000)
