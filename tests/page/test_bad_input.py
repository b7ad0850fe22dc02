"""What people give a page, and what becomes of it when the server or they go away."""

import io
import re
import struct
import zlib

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import ROOT, encode, serving
from tests.page.conftest import Seen, answered, give, open_model, watched

GOLDEN = ROOT / "models" / "convnetjs-cifar10" / "1" / "golden"
SAW = """async (image) => {
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  return [at(4, 4), at(4, canvas.height - 5)];
}"""


def file(name: str, content: bytes, kind: str = "image/png") -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": content}


def saw(page: Page) -> list[list[int]]:
    """The colours that the net saw above and below, near the left edge."""
    pixels: list[list[int]] = page.locator(".saw").evaluate(SAW)
    return pixels


def test_a_picture_that_a_camera_held_sideways_is_seen_upright(page: Page) -> None:
    picture = Image.new("RGB", (200, 300), (200, 30, 30))
    ImageDraw.Draw(picture).rectangle((0, 150, 200, 300), (30, 30, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to stand
    open_model(page, "resnet20-cifar10")
    give(page, file("sideways.jpg", encode(picture.rotate(90, expand=True), "JPEG", exif=exif), "image/jpeg"))
    answered(page)
    above, below = saw(page)
    assert above[0] > 150 > above[2]
    assert below[2] > 150 > below[0]
    expect(page.locator("#timing")).to_contain_text("turned upright")


def test_what_is_transparent_shows_the_ground_that_the_spec_names(page: Page) -> None:
    open_model(page, "resnet20-cifar10")
    background = page.evaluate(
        "async () => (await (await fetch('/v1/models/resnet20-cifar10')).json()).spec.input.background"
    )
    give(page, file("clear.png", encode(Image.new("RGBA", (64, 64), (255, 0, 0, 0)))))
    answered(page)
    assert saw(page) == [[255 if background == "white" else 0] * 3] * 2


def hundred_megapixels() -> bytes:
    """A PNG of 10,000 x 10,000 that is 0.1 MB: its header is all that anybody may read."""
    head = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(10_001) * 10_000, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture", "picture"),
        (GOLDEN.joinpath("ship-large.jpg").read_bytes()[:3000], "picture"),
        (hundred_megapixels(), "10000 x 10000 pixels"),
        (b"", "empty"),
    ],
    ids=["text", "cut off", "100 megapixels", "empty"],
)
def test_a_file_that_is_refused_is_told_in_words_and_the_old_answer_is_gone(
    page: Page, content: bytes, words: str
) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    give(page, file("bad.png", content))
    expect(page.locator("#error")).to_contain_text(re.compile(words, re.IGNORECASE))
    expect(page.locator("#answer")).to_be_empty()
    expect(page.locator("#inside-panel")).to_be_hidden()
    expect(page.locator("#preview")).to_be_hidden()
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    expect(page.locator("#error")).to_be_hidden()


def test_a_sentence_that_looks_like_html_is_text_everywhere(page: Page) -> None:
    sentence = "<img src=x onerror=document.title='owned'> a warm, funny film"
    open_model(page, "textcnn-mr")
    page.locator("#sentence").fill(sentence)
    page.get_by_role("button", name="Classify").click()
    answered(page)
    assert page.locator("#why img, #answer img").count() == 0
    expect(page.locator("#why .words")).to_contain_text("onerror")
    assert page.title().startswith("Maxpool")


def test_a_file_whose_name_looks_like_html_is_named_as_it_is(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    open_model(page, "convnetjs-cifar10")
    give(page, file(name, GOLDEN.joinpath("ship.png").read_bytes()))
    answered(page, "ship")
    expect(page.locator("#given")).to_have_text(name)


def test_korean_names_and_sentences_come_back_as_they_were(page: Page) -> None:
    open_model(page, "convnetjs-cifar10")
    give(page, file("배 사진.png", GOLDEN.joinpath("ship.png").read_bytes()))
    answered(page, "ship")
    expect(page.locator("#given")).to_have_text("배 사진.png")
    page.locator("#snippets summary").click()
    assert "배 사진.png" in page.get_by_label("the code").input_value()
    page.locator("#model").select_option("textcnn-mr")
    page.locator("#sentence").fill("정말 재미있는 영화")
    page.locator("#sentence").press("Control+Enter")
    answered(page)
    expect(page.locator("#why .word").first).to_have_text("정말")


def test_an_empty_sentence_is_asked_for(page: Page) -> None:
    open_model(page, "textcnn-mr")
    page.locator("#sentence").fill("  ")
    page.locator("#sentence").press("Control+Enter")
    expect(page.locator("#error")).to_have_text("Type a sentence first.")


def test_a_picture_for_a_model_of_sentences_is_explained(page: Page) -> None:
    open_model(page, "textcnn-mr")
    give(page, GOLDEN / "ship.png")
    expect(page.locator("#error")).to_contain_text("reads sentences")


def test_an_answer_that_comes_after_a_switch_of_models_is_not_shown(page: Page) -> None:
    held: list[Route] = []
    page.context.route("**/lenet5-mnist/predict?**", lambda route: held.append(route))
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    page.wait_for_timeout(200)
    page.locator("#model").select_option("convnetjs-cifar10")
    expect(page.locator("#card")).to_contain_text("ten kinds")
    assert held
    for route in held:
        route.abort()
    give(page, GOLDEN / "ship.png")
    answered(page, "ship")
    expect(page.locator("#error")).to_be_hidden()


def test_a_server_that_goes_away_is_told_and_the_page_goes_on_when_it_is_back(browser: Browser, seen: Seen) -> None:
    with serving(models=ROOT / "models", workers=1) as url:
        context = browser.new_context(base_url=url)
        page = watched(context, url, seen)
        open_model(page, "convnetjs-cifar10")
    give(page, GOLDEN / "ship.png")
    expect(page.locator("#error")).to_contain_text("The server does not answer")
    expect(page.locator("#live")).to_contain_text("does not answer")
    with serving(models=ROOT / "models", workers=1, port=int(url.rpartition(":")[2])):
        give(page, GOLDEN / "ship.png")
        answered(page, "ship")
        expect(page.locator("#live")).to_contain_text("queue")
    context.close()
    assert seen.complaints == []


def test_a_picture_larger_than_a_body_may_be_is_refused_in_words(page: Page) -> None:
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(noise, "PNG")
    open_model(page, "convnetjs-cifar10")
    page.evaluate(
        """(bytes) => {
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array(bytes), new Uint8Array(34 * 1024 * 1024)], "large.png"));
          const field = document.getElementById("files");
          field.files = given.files;
          field.dispatchEvent(new Event("change"));
        }""",
        list(noise.getvalue()),
    )
    expect(page.locator("#error")).to_contain_text(re.compile("33,554,432|does not answer"), timeout=30_000)
