"""HTML and SVG made of elements: whatever is not markup already is text, and is escaped where it goes in."""

from collections.abc import Iterable
from html import escape

VOID = ("br", "img", "meta")  # elements that have no end


class Markup(str):
    """What element() and join() make. An f-string of it is a plain str again, so a mistake shows as escaped twice."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: object) -> Markup:
    """`class_` and `stroke_width` become class and stroke-width."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else escape(part, quote=False) for part in parts))
