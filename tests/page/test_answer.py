"""An input goes in, an answer comes out, on every way that a person has."""

import base64
import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import ROOT
from tests.page.conftest import Seen, answered, give, open_model, watched

MODELS = ROOT / "models"
SEVEN = MODELS / "lenet5-mnist" / "1" / "golden" / "digit-7.png"
FILE = """([base64, name]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type: "image/png" }));
  return given;
}"""


def seven() -> list[str]:
    return [base64.b64encode(SEVEN.read_bytes()).decode(), "seven.png"]


def test_an_example_is_answered_with_bars_words_and_layers(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    page.locator("#examples button").nth(0).click()
    answered(page, "ship")
    expect(page.locator("#answer .bars li")).to_have_count(5)
    expect(page.locator("#layers details.layer")).to_have_count(7)
    expect(page.get_by_role("status").first).to_have_text(re.compile(r"ship, [\d.]+ %"))
    expect(page.locator("#timing")).to_contain_text("the net")


def test_who_has_no_picture_tries_an_example(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.get_by_role("button", name="Try an example").click()
    answered(page, "0")
    expect(page.get_by_role("button", name="Try an example")).to_be_hidden()


def test_examples_have_their_places_before_they_come(page: Page) -> None:
    held: list[Route] = []
    page.context.route("**/examples/*", lambda route: held.append(route))
    page.goto("/?model=lenet5-mnist")
    places = page.locator("#examples button")
    expect(places).to_have_count(11)
    before = [place.bounding_box() for place in places.all()]
    for route in held:
        route.continue_()
    for place in places.all():
        expect(place).to_be_enabled()
    assert [place.bounding_box() for place in places.all()] == before


def test_a_chosen_file_is_answered(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(SEVEN)
    answered(page, "7")
    expect(page.locator("#given")).to_have_text("digit-7.png")


def test_a_file_that_comes_before_the_model_does_is_answered(page: Page) -> None:
    held: list[Route] = []
    page.context.route("**/v1/models/lenet5-mnist", lambda route: held.append(route))
    page.goto("/?model=lenet5-mnist")
    expect(page.locator("#model")).to_have_value("lenet5-mnist")
    give(page, SEVEN)
    page.wait_for_timeout(200)
    for route in held:
        route.continue_()
    answered(page, "7")
    assert held


def test_a_file_that_is_dropped_anywhere_is_answered(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    given = page.evaluate_handle(FILE, seven())
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("#card-panel", kind, {"dataTransfer": given})
    answered(page, "7")
    expect(page.locator("body")).not_to_have_class("dropping")


def test_a_picture_is_pasted_wherever_the_focus_is(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.evaluate(
        f"""(given) => {{
          const clipboardData = ({FILE})(given);
          document.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData, bubbles: true, cancelable: true }}));
        }}""",
        seven(),
    )
    answered(page, "7")


def test_a_picture_of_the_real_clipboard_is_pasted_by_its_keys(browser: Browser, service_url: str, seen: Seen) -> None:
    context = browser.new_context(base_url=service_url, permissions=["clipboard-read", "clipboard-write"])
    page = watched(context, service_url, seen)
    open_model(page, "lenet5-mnist")
    page.evaluate(
        """async (base64) => {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const blob = new Blob([bytes], { type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        seven()[0],
    )
    page.keyboard.press("Control+v")
    answered(page, "7")
    context.close()
    assert not seen.complaints


def test_text_is_pasted_into_the_box_as_ever(page: Page) -> None:
    open_model(page, "textcnn-mr")
    page.locator("#sentence").focus()
    page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", "fine");
          const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
          document.activeElement.dispatchEvent(event);
          window.prevented = event.defaultPrevented;
        }"""
    )
    assert page.evaluate("() => window.prevented") is False


def test_a_digit_is_drawn_with_the_mouse(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.get_by_role("button", name="Draw").click()
    box = page.locator("#draw-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 230, steps=8)
    page.mouse.up()
    answered(page, "1")
    page.get_by_role("button", name="Clear").click()
    assert (
        page.evaluate(
            """() => {
          const canvas = document.getElementById("draw-canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.some((value, at) => at % 4 < 3 && value > 0);
        }"""
        )
        is False
    )


def test_the_webcam_gives_a_picture_and_is_let_go(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    page.get_by_role("button", name="Webcam").click()
    page.get_by_role("button", name="Classify this").click()
    answered(page)
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("() => document.getElementById('webcam-video').srcObject") is None
    expect(page.locator("#webcam-panel")).to_be_hidden()


def test_a_webcam_that_is_refused_is_told(page: Page) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    open_model(page, "convnetjs-cifar10")
    page.get_by_role("button", name="Webcam").click()
    expect(page.get_by_role("alert").first).to_have_text("The camera was refused. Choose or drop a picture instead.")


def test_a_sentence_is_answered_by_ctrl_enter(page: Page) -> None:
    open_model(page, "textcnn-mr")
    page.locator("#sentence").fill("A tender and moving story with a wonderful cast.")
    page.locator("#sentence").press("Control+Enter")
    answered(page, "positive")


def test_all_labels_are_shown_when_asked_for(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    give(page, SEVEN)
    page.get_by_role("button", name="Show all 10 labels").click()
    expect(page.locator("#answer .bars li")).to_have_count(10)
    expect(page.locator("#answer .bars")).to_be_focused()


def test_an_answer_that_is_not_sure_is_called_so(page: Page) -> None:
    """Grey noise is nothing that the net knows."""
    open_model(page, "textcnn-trec")
    page.locator("#sentence").fill("zzz qqq")
    page.locator("#sentence").press("Control+Enter")
    expect(page.locator("#answer strong")).to_have_text(re.compile("."))
    score = float(page.locator("#answer meter").first.get_attribute("value") or 0)
    assert (page.locator("#answer strong").inner_text() == "Not sure") == (score < 0.5)


def test_an_address_opens_its_model_and_a_switch_changes_the_address(page: Page) -> None:
    open_model(page, "textcnn-trec")
    expect(page.locator("#model")).to_have_value("textcnn-trec")
    page.locator("#model").select_option("lenet5-mnist")
    expect(page.locator("#image-panel")).to_be_visible()
    assert page.url.endswith("?model=lenet5-mnist")
    expect(page.locator("#card")).to_contain_text("Handwritten digits")


def test_the_card_says_what_the_spec_says(page: Page) -> None:
    open_model(page, "resnet20-cifar10-int8")
    card = page.locator("#card")
    expect(card).to_contain_text("n = 2,500")
    expect(card).to_contain_text("nearest class mean of the pixels")
    expect(card).to_contain_text("Temperature")
    expect(card).to_contain_text("resnet20-cifar10/1")
    card.get_by_text("All of the card").click()
    expect(card).to_contain_text("269,722")
    expect(card).to_contain_text("python -m scripts.")


@pytest.mark.parametrize("model", ["lenet5-mnist", "convnetjs-cifar10"])
def test_a_confusion_matrix_of_ten_labels_is_seen_whole(page: Page, model: str) -> None:
    open_model(page, model)
    page.get_by_text("What it takes for what").click()
    matrix = page.get_by_role("region", name="confusion matrix")
    assert matrix.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def test_the_line_at_the_top_counts_what_was_answered(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    expect(page.locator("#live")).to_contain_text(re.compile(r"queue \d+ · batch .* answered"))
    for _ in range(3):
        page.locator("#examples button").nth(1).click()
        answered(page, "1")
    expect(page.locator("#live")).to_contain_text(re.compile(r"latency [\d.]+ ms"))
