"""What is copied from the page runs, and says what the page said."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT
from tests.page.conftest import Seen, answered, give, open_model, watched

DIGITS = ROOT / "models" / "lenet5-mnist" / "1" / "golden"
NAMES = ["seven.png", 'it\'s a $7 `digit` "1".png', "-7.png", "일곱 7.png"]
SENTENCE = '@It\'s a "warm", funny $film\nand `beautifully` acted \\ 재미'


def run(language: str, code: str, folder: Path) -> str:
    node = shutil.which("node")
    if language == "curl":
        (folder / "ask.sh").write_text(code)
        command = ["sh", "ask.sh"]
    elif language == "Python":
        (folder / "ask.py").write_text(code)
        command = [sys.executable, "ask.py"]
    elif node is None:
        pytest.skip("node is not installed")
    else:
        (folder / "ask.mjs").write_text(code)
        command = [node, "ask.mjs"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert printed.returncode == 0, printed.stderr
    if language == "curl":
        return str(json.loads(printed.stdout)["predictions"][0]["label"])
    return printed.stdout.split()[0]


def code_of(page: Page, language: str) -> str:
    if not page.locator("#snippet").is_visible():
        page.locator("#snippets summary").click()
    page.get_by_role("button", name=language, exact=True).click()
    return page.get_by_label("the code").input_value()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_code_for_a_picture_runs_beside_it(page: Page, tmp_path: Path, language: str, name: str) -> None:
    (tmp_path / name).write_bytes((DIGITS / "digit-7.png").read_bytes())
    open_model(page, "lenet5-mnist")
    give(page, tmp_path / name)
    answered(page, "7")
    assert run(language, code_of(page, language), tmp_path) == "7"


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_code_for_a_sentence_runs_anywhere(page: Page, tmp_path: Path, language: str) -> None:
    open_model(page, "textcnn-mr")
    page.locator("#sentence").fill(SENTENCE)
    page.locator("#sentence").press("Control+Enter")
    answered(page)
    label = page.locator("#answer .bars .label").first.inner_text()
    assert run(language, code_of(page, language), tmp_path) == label


def test_copy_puts_it_on_the_clipboard(browser: Browser, service_url: str, seen: Seen) -> None:
    context = browser.new_context(base_url=service_url, permissions=["clipboard-read", "clipboard-write"])
    page = watched(context, service_url, seen)
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page, "7")
    code = code_of(page, "Python")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == code
    context.close()


def test_an_example_can_be_saved_to_run_the_code_beside_it(page: Page, tmp_path: Path) -> None:
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page, "7")
    code = code_of(page, "curl")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save example-8.png").click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    assert run("curl", code, tmp_path) == "7"


def test_the_whole_answer_can_be_read(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    page.locator("#examples button").nth(7).click()
    answered(page, "7")
    assert json.loads(code_of(page, "The answer as JSON"))["predictions"][0]["label"] == "7"
