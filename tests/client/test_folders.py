"""Which names are folders or patterns, and what is found in them."""

from pathlib import Path

import pytest
from maxpool_client._folders import pictures_in


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.gif", "deep/er/d.webp"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")
    Path("empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (Path("."), ["./a.JPG", "./b.png", "./deep/c.gif", "./deep/er/d.webp"]),
        (Path("deep"), ["deep/c.gif", "deep/er/d.webp"]),
        ("deep/", ["deep/c.gif", "deep/er/d.webp"]),
        ("*.png", ["b.png"]),
        ("deep/*", ["deep/c.gif"]),
        ("**/*.gif", ["deep/c.gif"]),
        ("[ab].*", None),
        ("deep/[c]*", ["deep/c.gif"]),
    ],
    ids=str,
)
def test_pictures_are_found_in_order(folder: Path, given: str | Path, found: list[str] | None) -> None:
    assert pictures_in(given) == found


@pytest.mark.parametrize(
    "given", ["is it good?", "deep", "a *star* is born / reborn", b"*.png", Path("b.png"), "x/", 7]
)
def test_what_is_neither_is_left_as_it_is(folder: Path, given: object) -> None:
    assert pictures_in(given) is None


@pytest.mark.parametrize("given", [Path("empty"), "empty/", "*.webp"], ids=str)
def test_no_pictures_are_told(folder: Path, given: str | Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no picture in"):
        pictures_in(given)
