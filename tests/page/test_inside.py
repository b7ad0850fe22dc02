"""What the page shows of the inside of a net, and that its numbers are those of the service."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import ROOT
from tests.page.conftest import answered, give, open_model

MODELS = sorted(path.name for path in (ROOT / "models").iterdir() if path.is_dir())
GOLDEN = ROOT / "models" / "convnetjs-cifar10" / "1" / "golden"
PIXELS = """(drawn) => {
  const [width, height] = [drawn.naturalWidth || drawn.width, drawn.naturalHeight || drawn.height];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").drawImage(drawn, 0, 0);
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const at = (x, y) => [...data.slice(4 * (y * width + x), 4 * (y * width + x) + 3)];
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => at(x, y)));
}"""
SHOWN = "(images) => images.every((image) => image.complete && image.naturalWidth > 0)"


def open_layer(page: Page, name: str) -> None:
    page.locator(f"#layer-{name} > summary").click()
    page.locator(f"#layer-{name} .sheet").first.wait_for()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_registry_opens_and_its_sum_is_the_logit(page: Page, model: str) -> None:
    open_model(page, model)
    page.locator("#examples button").first.click()
    answered(page)
    off = page.locator("#why .sum .small")
    for text in off.all_inner_texts():
        assert float(text.split()[-1]) < 1e-4
    says = page.locator("#why .says").all_inner_texts()
    for line in says:
        *parts, logit = [float(number) for number in re.findall(r"[-+]?\d+\.\d+", line.replace("- bias ", "-"))]
        assert abs(sum(parts) - logit) < 0.0021  # rounded to three digits each
    assert bool(says) == ("int8" not in model)


def test_open_layers_have_pictures_and_a_pooling_says_what_it_kept(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "convolution1")
    open_layer(page, "max1")
    expect(page.locator("#layer-max1 .switches .sheet")).to_be_visible()
    expect(page.locator("#layer-max1 .switches")).to_contain_text(
        re.compile(r"kept [\d.]+ %.*lost [\d.]+ %.*nothing to keep")
    )
    expect(page.locator("#layer-convolution1")).to_contain_text("16 filters of 3 × 5 × 5")
    assert page.locator(".sheet").evaluate_all(SHOWN)


def test_another_label_keeps_what_is_open_and_the_focus(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "max1")
    target = page.get_by_label("the label to explain")
    target.focus()
    target.select_option("airplane")
    expect(page.locator("#why figcaption").last).to_contain_text("“airplane”")
    expect(target).to_be_focused()
    expect(page.locator("#layer-max1 .sheet").first).to_be_visible()


def test_another_picture_keeps_the_layers_that_are_open(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "max1")
    page.locator("#examples button").nth(1).click()
    answered(page, "airplane")
    expect(page.locator("#layer-max1 .sheet").first).to_be_visible()


def test_why_one_label_rather_than_another_adds_up(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page)
    page.get_by_label("the label to compare with").select_option("1")
    says = page.locator("#why .says")
    expect(says).to_contain_text("less")
    cells, bias, difference, logit, other = [
        float(number.replace("−", "-")) for number in re.findall(r"[+−]?\d[\d.]*", says.inner_text())
    ]
    assert abs(cells + bias - difference) < 0.0021
    assert abs(logit - other - difference) < 0.0021


def test_hiding_parts_asks_the_net_again(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page)
    page.get_by_role("button", name="Hide parts and ask the net again").click()
    expect(page.locator("#why")).to_contain_text(re.compile(r"\d+ runs in"))


def test_words_are_coloured_and_an_n_gram_outlines_its_words(page: Page) -> None:
    open_model(page, "textcnn-mr")
    page.locator("#examples button").first.click()
    answered(page, "positive")
    assert page.locator("#why .word").evaluate_all("(words) => words.some((word) => word.style.backgroundColor)")
    ngram = page.locator(".ngram").first
    width = len((ngram.locator("strong").evaluate("(share) => share.nextSibling.textContent")).split())
    ngram.focus()
    expect(page.locator("#why .word.in")).to_have_count(width)
    page.get_by_text("Word by word, as a table").click()
    expect(page.get_by_role("row", name="(padding)")).to_be_visible()


def test_the_window_of_a_pooling_moves_by_keys_and_shows_the_winner(page: Page, service_url: str) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "max1")
    box = page.locator("#layer-max1")
    box.get_by_label("map of max pooling 1").fill("3")
    box.get_by_role("button", name="Watch the window move").click()
    told = httpx2.post(
        f"{service_url}/v1/models/convnetjs-cifar10/inspect?layers=max1,convolution1&channels=3:4&format=json",
        content=(GOLDEN / "ship.png").read_bytes(),
    ).json()["layers"]
    before, after = (layer["values"]["rows"] for layer in told)
    box.get_by_label("row", exact=True).fill("4")
    box.get_by_label("column", exact=True).fill("5")
    box.locator(".closer canvas").last.press("ArrowRight")
    expect(box.get_by_label("column", exact=True)).to_have_value("6")
    window = [value for row in before[8:10] for value in row[12:14]]
    assert after[4][6] == max(window)
    shown = [float(cell.replace("−", "-")) for cell in box.locator(".window td").all_inner_texts()]
    assert shown == pytest.approx(window, rel=0.01, abs=1e-3)
    expect(box.locator(".window .winner")).to_have_count(1 if min(window) < max(window) else 0)


def test_the_window_of_a_filter_shows_the_pixels_and_plays(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page, "7")
    open_layer(page, "convolution1")
    box = page.locator("#layer-convolution1")
    box.locator(".sheet").first.click(position={"x": 20, "y": 20})
    expect(box.locator(".window td")).to_have_count(25)
    column = box.get_by_label("column", exact=True)
    before = column.input_value()
    box.get_by_role("button", name="Play").click()
    expect(column).not_to_have_value(before)
    box.get_by_role("button", name="Pause").click()


def test_the_filter_of_a_map_stands_beside_its_window(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "convolution1")
    box = page.locator("#layer-convolution1")
    expect(box).to_contain_text("Each filter slides over the maps before")
    drawn = []
    for number in ("5", "6"):
        box.get_by_label("map of convolution 1 + ReLU").fill(number)
        box.get_by_role("button", name="Watch the window move").click()
        expect(box.locator(".closer h3")).to_have_text(f"convolution 1 + ReLU, map {number}")
        drawn.append(box.locator(".tile canvas").evaluate(PIXELS))
    sheet = box.get_by_role("img", name="the filters of this layer").evaluate(PIXELS)
    for place, tile in enumerate(drawn, 5):
        top, left = (1 + 6 * side for side in divmod(place, 4))  # of 5 x 5 pixels, four a row, a pixel apart
        assert tile == [row[left : left + 5] for row in sheet[top : top + 5]]
    assert drawn[0] != drawn[1]


def test_the_last_layer_tells_the_logits_by_their_labels(page: Page, service_url: str) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    open_layer(page, "fully1")
    told = httpx2.post(
        f"{service_url}/v1/models/convnetjs-cifar10/inspect?top_k=10", content=(GOLDEN / "ship.png").read_bytes()
    ).json()["prediction"]["top"]
    lines = page.locator("#layer-fully1 table tr").all()[1:]
    shown = [[cell.inner_text() for cell in line.locator("th, td").all()] for line in lines]
    assert [label for label, *_ in shown] == [each["label"] for each in told]
    logits = [float(logit.replace("−", "-")) for _, logit, _ in shown]
    assert logits == pytest.approx([each["logit"] for each in told], abs=6e-4)


def test_a_service_that_does_not_look_inside_is_told_and_the_answer_stands(page: Page) -> None:
    def absent(route: Route) -> None:
        route.fulfill(status=404, json={"error": "there is nothing", "reason": "NotFound"})

    page.context.route("**/inspect?**", absent)
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    expect(page.locator("#answer strong")).to_have_text("7")
    expect(page.locator("#inside-note")).to_have_text("This service does not look inside its nets.")


def test_a_busy_inspection_can_be_tried_again(page: Page) -> None:
    busy = True

    def answer(route: Route) -> None:
        if busy:
            route.fulfill(status=503, json={"error": "busy", "reason": "Overloaded"}, headers={"retry-after": "0"})
        else:
            route.continue_()

    page.context.route("**/inspect?**", answer)
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    expect(page.locator("#inside-note")).to_contain_text("busy")
    busy = False
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#layers details").first).to_be_visible()
