"""JSON with a long flat array of numbers in it, as pixels come in JSON: read in pieces.

orjson holds the interpreter until it is done, also in a thread: 160 milliseconds for 32 pictures of 224 x 224, in which
the event loop stands still. Pieces of 64 KB stop it for a third of a millisecond each.
"""

from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import orjson

PIECE = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Numbers:
    """The elements of an array that is not read yet: text[start:end]."""

    text: bytes
    start: int
    end: int

    def read(self) -> bytes:
        """Raises orjson.JSONDecodeError; TypeError or ValueError for an element that is no byte."""
        pieces = []
        at = self.start
        while at <= self.end:
            stop = self.text.find(b",", at + PIECE, self.end)
            stop = self.end if stop < 0 else stop
            elements = orjson.loads(b"[%b]" % self.text[at:stop])
            if not elements:  # a comma with nothing behind it
                raise orjson.JSONDecodeError("an element is missing", "", 0)
            pieces.append(bytes(elements))
            at = stop + 1
        return b"".join(pieces)


def load_long(text: bytes) -> Any:
    """As orjson.loads, but where the first input's "data" is a flat array without strings, it comes as Numbers."""
    key = text.find(b'"data"')
    start = text.find(b"[", key) + 1
    end = text.find(b"]", start)
    if key < 0 or start < 1 or end < 0 or text[key + 6 : start - 1].strip() != b":":
        return orjson.loads(text)
    if any(text.find(mark, start, end) >= 0 for mark in (b"[", b"{", b'"')):
        return orjson.loads(text)
    stand_in = token_hex(16)
    try:
        document = orjson.loads(b'%b"%b"%b' % (text[: start - 1], stand_in.encode(), text[end + 1 :]))
        tensor = document["inputs"][0]
        found = tensor["data"] == stand_in
    except (orjson.JSONDecodeError, TypeError, LookupError):
        found = False
    if not found:  # the array is somewhere else
        return orjson.loads(text)
    tensor["data"] = Numbers(text, start, end)
    return document
