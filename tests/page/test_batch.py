"""Many pictures at once: a row for each, whatever becomes of it."""

import csv
import io
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.conftest import ROOT
from tests.page.conftest import answered, give, open_model

DIGITS = ROOT / "models" / "lenet5-mnist" / "1" / "golden"


def pictures(count: int, name: str = "digit-{}.png") -> list[dict[str, Any]]:
    files = [(DIGITS / f"digit-{digit}.png").read_bytes() for digit in range(10)]
    return [{"name": name.format(at), "mimeType": "image/png", "buffer": files[at % 10]} for at in range(count)]


def table(page: Page) -> list[list[str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "lenet5-mnist.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_60_files_with_a_bad_one_are_60_rows_and_a_table_of_61_lines(page: Page) -> None:
    files = pictures(60)
    files[17] = {"name": "bad.png", "mimeType": "image/png", "buffer": b"no picture"}
    open_model(page, "lenet5-mnist")
    give(page, *files)
    expect(page.locator("#batch-told")).to_contain_text("60 of 60, 1 of them with an error · done")
    expect(page.locator("#batch tbody tr")).to_have_count(60)
    head, *rows = table(page)
    assert head == ["file", "label", "score", "milliseconds", "error"]
    assert [row[0] for row in rows] == [file["name"] for file in files]
    assert [row[1] for row in rows] == ["" if at == 17 else str(at % 10) for at in range(60)]
    assert rows[17][4]
    page.get_by_role("button", name="digit-23.png").click()
    answered(page, "3")


def test_names_that_a_spreadsheet_would_run_are_made_harmless(page: Page) -> None:
    names = ["=HYPERLINK(1).png", "+1.png", "-1.png", "@SUM.png", 'say "hi", twice.png', "숫자.png"]
    files = [{**picture, "name": name} for picture, name in zip(pictures(6), names, strict=True)]
    open_model(page, "lenet5-mnist")
    give(page, *files)
    expect(page.locator("#batch-told")).to_contain_text("6 of 6")
    assert [row[0] for row in table(page)[1:]] == [f"'{name}" for name in names[:4]] + names[4:]


def test_200_files_go_eight_at_a_time_and_can_be_cancelled(page: Page) -> None:
    open_model(page, "lenet5-mnist")
    give(page, *pictures(200))
    expect(page.locator("#batch-told")).to_contain_text("200 of 200 · done")
    expect(page.locator("#batch tbody tr")).to_have_count(200)
    flying: list[Route] = []
    page.context.route("**/predict?**", lambda route: flying.append(route))
    give(page, *pictures(200))
    page.wait_for_timeout(500)
    assert len(flying) == 8
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#batch-told")).to_contain_text("0 of 200 · cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    for route in flying:
        route.abort()
    assert len(flying) == 8
    assert table(page) == [["file", "label", "score", "milliseconds", "error"]]


def test_400_files_more_leave_the_memory_as_it_was(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    open_model(page, "lenet5-mnist")

    def heap_after(count: int) -> float:
        give(page, *pictures(count))
        expect(page.locator("#batch-told")).to_contain_text("· done")
        give(page, DIGITS / "digit-7.png")
        answered(page, "7")
        devtools.send("HeapProfiler.collectGarbage")
        used: float = devtools.send("Runtime.getHeapUsage")["usedSize"]
        return used

    first = heap_after(200)
    heap_after(200)
    assert heap_after(200) < first + 1_000_000


def test_a_server_that_goes_away_is_an_error_in_each_row_that_is_left(page: Page) -> None:
    answered_ones = 0

    def sometimes(route: Route) -> None:
        nonlocal answered_ones
        answered_ones += 1
        if answered_ones <= 10:
            route.continue_()
        else:
            route.abort()

    page.context.route("**/predict?**", sometimes)
    open_model(page, "lenet5-mnist")
    give(page, *pictures(30))
    expect(page.locator("#batch-told")).to_contain_text(re.compile("30 of 30, 20 of them with an error"))
    expect(page.locator("#batch .bad").last).to_contain_text("does not answer")
