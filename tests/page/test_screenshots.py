"""The pictures of the page in the docs can be taken again, and are small."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.page.screenshots import IMAGES, SHOTS, shoot


def test_each_picture_in_the_docs_is_one_that_can_be_taken(browser: Browser, service_url: str, tmp_path: Path) -> None:
    shoot(browser, service_url, tmp_path)
    for shot in SHOTS:
        name = f"{shot.name}.png"
        with Image.open(tmp_path / name) as taken, Image.open(IMAGES / name) as kept:
            assert taken.size == kept.size
            assert len(taken.convert("RGB").getcolors(2**24) or ()) > 30  # no blank page
        assert (IMAGES / name).stat().st_size < 120_000
    assert {path.stem for path in IMAGES.glob("page-*.png")} == {shot.name for shot in SHOTS}
