"""What a JSON value is, in JSON's own words."""

from typing import Any

KINDS = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean"}


def kind(value: Any) -> str:
    return KINDS.get(type(value), "null")
