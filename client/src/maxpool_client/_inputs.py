"""What a caller may hand over -> a Source -> what travels: bytes of an encoded picture, or a sentence.

Recognising reads no file, loading does: a list of ten thousand paths is checked at once and read a request at a time.
"""

import io
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from . import _png
from ._types import Refused


@runtime_checkable
class Saves(Protocol):
    """A PIL image, without needing Pillow."""

    def save(self, fp: Any, format: str) -> None: ...


@runtime_checkable
class Pixels(Protocol):
    """A numpy array, without needing numpy."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def tobytes(self) -> bytes: ...


@runtime_checkable
class Reads(Protocol):
    """A file opened for reading bytes."""

    def read(self) -> bytes: ...


Input: TypeAlias = str | Path | bytes | Saves | Pixels | Reads
Source: TypeAlias = Input  # an Input of which a str is surely a sentence

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
UNKNOWN_SIZE = 64 * 1024  # bytes, of a picture that is not encoded yet


def recognise(given: Any) -> Source:
    """Raises FileNotFoundError for the path of no picture, TypeError or ValueError for what can not be sent."""
    match given:
        case str():
            return recognise_text(given)
        case Path():
            return existing(given)
        case io.TextIOBase():
            raise TypeError('the file is open for text: open it with "rb" for a picture, or read the sentences from it')
        case bytes() | Saves() | Pixels() | Reads():
            return given
    raise TypeError(
        "expected a path, the bytes of an encoded picture, a PIL image, a numpy array, a file open for bytes or a "
        f"sentence, not {type(given).__name__}"
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
    """Raises OSError for a file that can not be read, TypeError or ValueError for what can not be encoded."""
    match source:
        case str() | bytes():
            return source
        case Path():
            return source.read_bytes()
        case Saves():
            encoded = BytesIO()
            source.save(encoded, format="PNG")
            return encoded.getvalue()
        case Pixels():
            return _png.encode(source)
    return source.read()


def load_or_refuse(source: Source | Refused) -> bytes | str | Refused:
    if isinstance(source, Refused):
        return source
    try:
        return load(source)
    except (OSError, TypeError, ValueError) as error:
        return refused(error)


def refused(error: Exception) -> Refused:
    """In the place of an input that never left."""
    return Refused(error=str(error), code=None, cause=error)


def size(source: Source | Refused) -> int:
    """About how many bytes travel."""
    match source:
        case str() | bytes():
            return len(source)
        case Path():
            try:
                return source.stat().st_size
            except OSError:
                return 0
        case Refused():
            return 0
    return UNKNOWN_SIZE
