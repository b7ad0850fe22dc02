"""What is a picture, what is a sentence, and what is neither."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maxpool_client._inputs import load, recognise
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seven.png").write_bytes(b"seven")
    (tmp_path / "my seven.JPG").write_bytes(b"seven")
    (tmp_path / "review").write_text("a joy")
    return tmp_path


@pytest.mark.parametrize("given", ["seven.png", "my seven.JPG", Path("seven.png"), Path("review")])
def test_a_path_of_a_file_is_that_file(folder: Path, given: str | Path) -> None:
    assert recognise(given) == Path(given)
    assert isinstance(load(recognise(given)), bytes)


@pytest.mark.parametrize(
    "given", ["a joy", "review", "", "she sent me a .gif", "see seven.png there", "x" * 5000 + " .png", "a\0.png"]
)
def test_any_other_text_is_a_sentence(folder: Path, given: str) -> None:
    assert load(recognise(given)) == given


@pytest.mark.parametrize("given", ["eight.png", "digits/8.WEBP", Path("eight.png"), Path("."), "x" * 5000 + ".png"])
def test_the_name_of_no_picture_is_not_sent_as_a_sentence(folder: Path, given: str | Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        recognise(given)


def test_bytes_travel_as_they_are() -> None:
    assert load(recognise(b"\x89PNG")) == b"\x89PNG"


def test_a_pil_image_travels_as_png() -> None:
    encoded = load(recognise(Image.new("L", (2, 2))))
    assert isinstance(encoded, bytes)
    assert encoded.startswith(b"\x89PNG")


def test_a_numpy_array_and_an_open_file_travel_as_pictures(folder: Path) -> None:
    assert load(recognise(np.zeros((2, 3), np.uint8))).startswith(b"\x89PNG")  # type: ignore[arg-type]
    with open("seven.png", "rb") as file:
        assert load(recognise(file)) == b"seven"
    with open("review") as text, pytest.raises(TypeError, match='open it with "rb"'):
        recognise(text)


@pytest.mark.parametrize("given", [7, None, bytearray(b"x"), {"image": 1}])
def test_anything_else_is_named_in_the_error(given: Any) -> None:
    with pytest.raises(TypeError, match=f"not {type(given).__name__}"):
        recognise(given)


def test_a_lone_surrogate_is_found_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match=r"lone surrogate \(character 2\)"):
        recognise("a \ud800")
