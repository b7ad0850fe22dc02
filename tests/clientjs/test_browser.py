"""The client as a page imports it, in a real browser, from the origin of the real service."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Page, Route, sync_playwright

from tests.conftest import ROOT, serving
from tests.service.keyholders import KEYS, write_keys

from .conftest import SOURCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><meta charset="utf-8"><title>client-js</title>
<script type="module">
  import * as maxpool from "/client/index.js";
  Object.assign(window, { maxpool, client: new maxpool.Client({ baseUrl: location.origin }) });
</script>"""
STREAM = """async () => {
  const sentences = new Blob(["A warm, funny and beautifully acted film.\\nIt is dull, lifeless and far too long."]);
  const lines = (await sentences.text()).split("\\n");
  const found = [];
  for await (const [line, answer] of client.classifyMany(lines, { model: "textcnn-mr" })) {
    found.push([line === lines[found.length], answer.label]);
  }
  return found;
}"""
REFUSED = """async () => {
  const drawn = new Blob(["no picture"], { type: "image/png" });
  const error = await client.classify(drawn, { model: "lenet5-mnist" }).catch((error) => error);
  const answers = await client.classify([new File([drawn], "a.png"), drawn.stream()], { model: "lenet5-mnist" });
  const stopped = client.models({ signal: AbortSignal.abort() }).catch(({ name }) => name);
  return [error instanceof maxpool.InvalidInput, error.status, answers.map(({ name }) => name), await stopped];
}"""
ELSEWHERE = """async ([baseUrl, apiKey]) => {
  const sentence = "A warm, funny and beautifully acted film.";
  const ask = (options) => new maxpool.Client({ baseUrl, maxRetries: 0, ...options }).classify(
    sentence, { model: "textcnn-mr" },
  );
  const answer = await ask({ apiKey }).then(({ label }) => label, ({ name }) => name);
  return [answer, await ask({}).then(() => 200, ({ status }) => status ?? null)];
}"""

README = (SOURCE / "README.md").read_text()
PAGES = {"/page": PAGE, "/readme": README.partition("```html\n")[2].partition("```")[0]}


@pytest.fixture(scope="module")
def browser_page(package: Path, service_url: str) -> Iterator[Page]:
    """For pages of the service's own origin, which has the client's modules under /client."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")

    def fulfil(route: Route) -> None:
        path = urlparse(route.request.url).path
        if path in PAGES:
            route.fulfill(body=PAGES[path], content_type="text/html")
        elif path.startswith("/client/"):
            module = package / "dist" / Path(path).name
            route.fulfill(body=module.read_text(), content_type="text/javascript")
        else:
            route.continue_()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.route(f"{service_url}/**", fulfil)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: Page, service_url: str) -> Page:
    browser_page.goto(f"{service_url}/page")
    browser_page.wait_for_function("window.client")
    return browser_page


def test_sentences_are_streamed(page: Page) -> None:
    assert page.evaluate(STREAM) == [[True, "positive"], [True, "negative"]]


def test_errors_are_typed(page: Page) -> None:
    assert page.evaluate(REFUSED) == [True, 400, ["InvalidInput", "InvalidInput"], "AbortError"]


def test_the_page_of_the_readme_classifies_what_it_draws(browser_page: Page, service_url: str) -> None:
    browser_page.goto(f"{service_url}/readme")
    browser_page.wait_for_function("document.querySelector('output').value")
    assert browser_page.evaluate("document.querySelector('output').value") == "1"


def test_a_page_of_another_origin_is_answered_where_it_is_allowed(
    browser_page: Page, package: Path, tmp_path: Path
) -> None:
    """By a server of its own: what is put in a browser's way, it does not take for a page of this machine."""
    keys = write_keys(tmp_path / "keys")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "page.html").write_text(PAGE)
    (tmp_path / "pages" / "client").symlink_to(package / "dist")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "pages")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        allowed, other = (f"http://{host}:{server.server_port}" for host in ("127.0.0.1", "localhost"))
        found = {}
        with serving(models=ROOT / "models", workers=1, keys_file=keys, cors_origins=allowed) as url:
            for origin in (allowed, other):
                page = browser_page.context.browser.new_page()
                page.goto(f"{origin}/page.html")
                page.wait_for_function("window.client")
                found[origin] = page.evaluate(ELSEWHERE, [url, KEYS["all"]])
                page.close()
        server.shutdown()
    assert found == {allowed: ["positive", 401], other: ["ConnectionFailed", None]}
