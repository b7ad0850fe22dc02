"""Folders and patterns -> the pictures in them."""

import glob
import os
from pathlib import Path

from ._inputs import PICTURE_SUFFIXES

WILD = frozenset("*?[")


def pictures_in(given: object) -> list[str] | None:
    """The files of a folder, with all below it, or of a pattern such as "digits/**/*.png", sorted; None for what is
    neither. Names and not Paths: a hundred thousand of them take some ten megabytes.

    Raises FileNotFoundError where there is no picture.
    """
    if isinstance(given, Path) or (isinstance(given, str) and given.endswith(("/", os.sep))):
        # A stream of a million pictures asks of none of them whether it is a folder.
        if str(given).lower().endswith(PICTURE_SUFFIXES) or not os.path.isdir(given):
            return None
        found = [
            os.path.join(folder, name)
            for folder, _, names in os.walk(given)
            for name in names
            if name.lower().endswith(PICTURE_SUFFIXES)
        ]
    elif isinstance(given, str) and is_pattern(given):
        found = [name for name in glob.iglob(given, recursive=True) if name.lower().endswith(PICTURE_SUFFIXES)]
    else:
        return None
    if not found:
        raise FileNotFoundError(f"there is no picture in {given}: expected {' '.join(PICTURE_SUFFIXES)}")
    return sorted(found)


def is_pattern(text: str) -> bool:
    """ "is it good?" is a sentence, "digits/*.png" a pattern."""
    if not WILD & set(text) or "\0" in text:
        return False
    return text.lower().endswith(PICTURE_SUFFIXES) or ("/" in text and not any(map(str.isspace, text)))
