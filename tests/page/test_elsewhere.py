"""Other hosts: none is asked, a page over plain http from one works, and a service with keys asks for one."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.conftest import ROOT, serving
from tests.page.conftest import Seen, answered, launch, open_model, watched
from tests.service.keyholders import KEYS, write_keys


def test_the_docs_are_read_and_tried_with_no_request_that_leaves_the_host(page: Page) -> None:
    page.goto("/docs")
    operation = page.locator(".opblock-post", has=page.get_by_text("/v1/models/{name}/predict", exact=True))
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response .highlight-code").first).to_contain_text("predictions")


def test_a_request_that_would_leave_the_host_is_seen(browser: Browser, service_url: str, seen: Seen) -> None:
    """Or the tests above would prove nothing."""
    page = watched(browser.new_context(base_url=service_url), service_url, seen)
    page.goto("/docs")
    page.evaluate("() => fetch('https://elsewhere.test/x').catch(() => null)")
    assert seen.elsewhere == ["https://elsewhere.test/x"]
    page.context.close()


def test_the_policy_stops_a_script_that_stands_in_the_page(browser: Browser, service_url: str, seen: Seen) -> None:
    page = watched(browser.new_context(base_url=service_url), service_url, seen)
    page.goto("/")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.owned = true";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "https://elsewhere.test/pixel.png";
          document.body.append(image);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.owned") is None
    assert seen.elsewhere == []  # the browser itself did not ask
    assert any("Content Security Policy" in complaint for complaint in seen.complaints)
    page.context.close()


def test_plain_http_from_another_host_has_no_clipboard_and_no_camera_and_works(
    playwright: Playwright, service_url: str, seen: Seen
) -> None:
    port = service_url.rpartition(":")[2]
    url = f"http://lecture.test:{port}"
    browser = launch(playwright, "--host-resolver-rules=MAP lecture.test 127.0.0.1")
    page = watched(browser.new_context(base_url=url), url, seen)
    open_model(page, "lenet5-mnist")
    assert page.evaluate("() => [isSecureContext, navigator.clipboard === undefined]") == [False, True]
    expect(page.locator("#webcam")).to_be_hidden()
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    page.locator("#examples button").nth(7).click()
    answered(page, "7")
    page.locator("#snippets summary").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Selected: copy it with Ctrl+C.")).to_be_visible()
    selected = page.get_by_label("the code").evaluate("(code) => [code.selectionStart, code.selectionEnd]")
    assert selected == [0, len(page.get_by_label("the code").input_value())]
    assert url in page.get_by_label("the code").input_value()
    browser.close()
    assert (seen.elsewhere, seen.complaints) == ([], [])


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = write_keys(tmp_path_factory.mktemp("keys") / "keys")
    with serving(models=ROOT / "models", workers=1, keys_file=keys) as url:
        yield url


def locked_page(browser: Browser, locked: str, seen: Seen) -> Page:
    page = watched(browser.new_context(base_url=locked), locked, seen)
    page.goto("/?model=lenet5-mnist")
    return page


def use(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use it").click()


def test_a_service_with_keys_is_asked_with_the_one_that_was_typed(browser: Browser, locked: str, seen: Seen) -> None:
    page = locked_page(browser, locked, seen)
    use(page, "a wrong one")
    expect(page.locator("#key-error")).not_to_be_empty()
    use(page, KEYS["all"])
    page.locator("#examples button:enabled").nth(7).click()
    answered(page, "7")
    page.locator("#snippets summary").click()
    code = page.get_by_label("the code").input_value()
    assert "$MAXPOOL_API_KEY" in code
    assert KEYS["all"] not in page.content() + code + page.url
    stored = page.evaluate("() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    assert json.loads(stored) == [{}, {}, ""]
    page.reload()  # and the key is gone
    expect(page.get_by_label("API key")).to_be_visible()
    page.context.close()
    assert seen.complaints == []


def test_a_key_that_is_not_for_the_model_is_told(browser: Browser, locked: str, seen: Seen) -> None:
    page = locked_page(browser, locked, seen)
    use(page, KEYS["painter"])
    page.locator("#examples button:enabled").nth(7).click()
    expect(page.locator("#error")).to_contain_text("key")
    page.context.close()


def test_whoever_has_no_key_is_told_what_to_do(browser: Browser, locked: str, seen: Seen) -> None:
    page = locked_page(browser, locked, seen)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#error")).to_contain_text("wants a key")
    page.context.close()


def test_without_javascript_the_page_says_how_to_ask(browser: Browser, service_url: str) -> None:
    page = browser.new_context(base_url=service_url, java_script_enabled=False).new_page()
    page.goto("/")
    notice = page.locator("noscript")
    assert "curl -sS --data-binary" in notice.inner_html()
    assert (notice.bounding_box() or {"height": 0})["height"] > 0
    page.context.close()
