"""What a caller may hand over -> a Source -> what travels: bytes of an encoded picture, or a sentence.

Recognising reads no file, loading does: a list of ten thousand paths is checked at once and read a request at a time.
"""

from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class Saves(Protocol):
    """A PIL image, without needing Pillow."""

    def save(self, fp: Any, format: str) -> None: ...


Input: TypeAlias = str | Path | bytes | Saves
Source: TypeAlias = str | Path | bytes | Saves  # an Input of which a str is surely a sentence

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def recognise(given: Input) -> Source:
    """Raises FileNotFoundError for the path of no picture, TypeError or ValueError for what can not be sent."""
    match given:
        case str():
            return recognise_text(given)
        case Path():
            return existing(given)
        case bytes() | Saves():
            return given
    raise TypeError(
        f"expected a path, the bytes of an encoded picture, a PIL image or a sentence, not {type(given).__name__}"
    )


def recognise_text(text: str) -> str | Path:
    if text.lower().endswith(PICTURE_SUFFIXES) and "\0" not in text:
        path = Path(text)
        # "She sent me a .gif" is a sentence; a mistyped name must not be classified as one.
        if len(text.split()) == 1 or is_file(path):
            return existing(path)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the sentence has a lone surrogate (character {error.start}): it can not be sent") from None
    return text


def existing(path: Path) -> Path:
    if not is_file(path):
        raise FileNotFoundError(f"there is no file {path}")
    return path


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a sentence can be longer than a file name may be
        return False


def load(source: Source) -> bytes | str:
    match source:
        case Path():
            return source.read_bytes()
        case Saves():
            encoded = BytesIO()
            source.save(encoded, format="PNG")
            return encoded.getvalue()
    return source
