"""A request's body -> the inputs in it.

raw picture or text -> one input · multipart -> one a part · JSON {"inputs": …} -> one, or one an element
"""

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.engine.rows import Input
from service.errors import InputTooLarge, InvalidInput, MaxpoolError, UnsupportedInput, alone
from service.protocols.kinds import kind
from service.sentences import read_sentence

RAW_PICTURE = ("application/octet-stream", "application/x-www-form-urlencoded", "")  # the second is curl's default
OBJECT_TYPES = ("application/json", "application/x-www-form-urlencoded", "")  # curl's default again
JSON_EXPECTED = 'expected {"inputs": …} with one input or a list of them'


@dataclass(slots=True)
class Inputs:
    """What a body held. An element that could not even be unpacked is the error in its place."""

    inputs: list[Input | MaxpoolError]
    single: bool  # sent alone, not as a list: what is wrong with it is then the answer of the request


def read_body(body: bytes, content_type: str, *, pictures: bool, max_inputs: int) -> Inputs:
    """Raises InvalidInput, InputTooLarge for too many inputs, UnsupportedInput for another content type."""
    media, options = parse_content_type(content_type)
    if media == "application/json":
        inputs = read_json(body, pictures=pictures)
    elif media == "multipart/form-data":
        inputs = read_multipart(body, options.get(b"boundary", b""), pictures=pictures)
    elif pictures and (media.startswith("image/") or media in RAW_PICTURE):
        inputs = Inputs([body], single=True)
    elif not pictures and media in ("text/plain", ""):
        check_charset(options)
        inputs = Inputs([read_sentence(body)], single=True)
    else:
        raw = "image/png (or another picture type)" if pictures else "text/plain"
        raise UnsupportedInput(
            f"content type {media!r} is not taken here: send {raw}, application/json or multipart/form-data"
        )
    check_count(len(inputs.inputs), max_inputs)
    return inputs


def check_count(inputs: int, max_inputs: int) -> None:
    """Raises InvalidInput for none, InputTooLarge for too many."""
    if inputs > max_inputs:
        raise InputTooLarge(f"the request has {inputs} inputs: at most {max_inputs}; send several requests")
    if not inputs:
        raise InvalidInput("the request has no inputs, or an empty list of them: expected at least one")


@lru_cache(64)
def parse_content_type(content_type: str) -> tuple[str, dict[bytes, bytes]]:
    media, options = parse_options_header(content_type)
    return media.decode("latin-1").lower(), options


def check_charset(options: dict[bytes, bytes]) -> None:
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedInput(f"charset {charset!r} is not taken here: send UTF-8")


def read_object(body: bytes, content_type: str, expected: str) -> dict[str, Any]:
    """A JSON object, of a client that says so or says nothing. Raises InvalidInput, UnsupportedInput."""
    media, _ = parse_content_type(content_type)
    if media not in OBJECT_TYPES:
        raise UnsupportedInput(f"content type {media[:64]!r} is not taken here: send application/json")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not valid JSON ({error}): {expected}") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"the body is not a JSON object: {expected}")
    return document


def read_json(body: bytes, *, pictures: bool) -> Inputs:
    document = read_object(body, "", JSON_EXPECTED)
    if unknown := document.keys() - {"inputs"}:
        raise InvalidInput(f"unknown field {min(unknown)[:64]!r}: {JSON_EXPECTED}")
    if "inputs" not in document:
        raise InvalidInput(f"the field 'inputs' is missing: {JSON_EXPECTED}")
    given = document["inputs"]
    if isinstance(given, list):
        return Inputs([unpack_or_refuse(element, pictures) for element in given], single=False)
    return Inputs([unpack(given, pictures)], single=True)


def unpack(given: Any, pictures: bool) -> Input:
    if not isinstance(given, str):
        wanted = "a base64 string of a picture" if pictures else "a sentence"
        raise InvalidInput(f"an input is a JSON {kind(given)}: expected {wanted}")
    if not pictures:
        return given
    text = given.partition(",")[2] if given.startswith("data:") else given
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"an input is not base64 ({error}): expected the base64 of a picture") from None


def unpack_or_refuse(given: Any, pictures: bool) -> Input | MaxpoolError:
    try:
        return unpack(given, pictures)
    except InvalidInput as error:
        return alone(error)


def read_multipart(body: bytes, boundary: bytes, *, pictures: bool) -> Inputs:
    """Each part is an input, whatever its name: a file with a picture, or a field with a sentence."""
    parts: list[bytearray] = []
    ended: list[bool] = []
    callbacks: Any = {
        "on_part_begin": lambda: parts.append(bytearray()),
        "on_part_data": lambda data, start, end: parts[-1].extend(data[start:end]),
        "on_end": lambda: ended.append(True),
    }
    try:
        parser = MultipartParser(boundary, callbacks)
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, ValueError) as error:
        raise InvalidInput(f"the multipart body is broken ({error}): send it again, as RFC 7578 has it") from None
    if not ended:
        raise InvalidInput("the multipart body is cut off: expected its closing boundary")
    if pictures:
        return Inputs([bytes(part) for part in parts], single=len(parts) == 1)
    sentences: list[Input | MaxpoolError] = []
    for part in parts:
        try:
            sentences.append(read_sentence(bytes(part)))
        except InvalidInput as error:
            sentences.append(alone(error))
    return Inputs(sentences, single=len(parts) == 1)
