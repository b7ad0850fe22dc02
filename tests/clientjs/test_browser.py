"""The client as a page imports it, in a real browser, from the origin of the real service."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Page, Route, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><meta charset="utf-8"><title>client-js</title><canvas width="28" height="28"></canvas>
<script type="module">
  import * as maxpool from "/client/index.js";
  Object.assign(window, { maxpool, client: new maxpool.Client({ baseUrl: location.origin }) });
</script>"""
# White strokes on black, as the digits were that the net has learned.
DRAWN_ONE = """async () => {
  const canvas = document.querySelector("canvas");
  const pen = canvas.getContext("2d");
  pen.fillRect(0, 0, 28, 28);
  Object.assign(pen, { strokeStyle: "white", lineWidth: 3, lineCap: "round" });
  pen.beginPath();
  pen.moveTo(15, 5);
  pen.lineTo(13, 23);
  pen.stroke();
  const drawn = await new Promise((resolve) => canvas.toBlob(resolve));
  return client.classify(drawn, { model: "lenet5-mnist", topK: 3 });
}"""
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


@pytest.fixture(scope="module")
def page(package: Path, service_url: str) -> Iterator[Page]:
    """A page of the service's own origin, which has the client's modules under /client."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")

    def fulfil(route: Route) -> None:
        path = urlparse(route.request.url).path
        if path == "/page":
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            module = package / "dist" / Path(path).name
            route.fulfill(body=module.read_text(), content_type="text/javascript")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.route(f"{service_url}/page", fulfil)
        page.route(f"{service_url}/client/*", fulfil)
        page.goto(f"{service_url}/page")
        page.wait_for_function("window.client")
        yield page
        browser.close()


def test_a_digit_drawn_on_a_canvas_is_classified(page: Page) -> None:
    prediction = page.evaluate(DRAWN_ONE)
    assert prediction["label"] == "1"
    assert [each["label"] for each in prediction["top"]][0] == "1"
    assert (prediction["input"]["format"], prediction["input"]["width"]) == ("PNG", 28)


def test_sentences_are_streamed(page: Page) -> None:
    assert page.evaluate(STREAM) == [[True, "positive"], [True, "negative"]]


def test_errors_are_typed(page: Page) -> None:
    assert page.evaluate(REFUSED) == [True, 400, ["InvalidInput", "InvalidInput"], "AbortError"]
