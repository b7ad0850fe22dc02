import json
from typing import Any

import orjson
import pytest

from service.protocols.long_json import PIECE, Numbers, load_long

LONG = [n % 256 for n in range(PIECE)]


def long(data: str, before: str = "", after: str = "") -> bytes:
    return f'{{{before}"inputs": [{{"name": "image", "data" : [{data}]}}]{after}}}'.encode()


@pytest.mark.parametrize("between", [",", ", ", " ,\n"])
def test_a_flat_array_is_read_in_pieces_and_whole(between: str) -> None:
    document = load_long(long(between.join(map(str, LONG)), before='"id": "x", ', after=', "outputs": []'))
    numbers = document["inputs"][0]["data"]
    assert isinstance(numbers, Numbers)
    assert list(numbers.read()) == LONG
    assert (document["id"], document["outputs"]) == ("x", [])


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [{"data": [[1, 2], [3]]}]}',
        '{"inputs": [{"data": ["a", "b"]}]}',
        '{"inputs": [{"data": 5}]}',
        '{"inputs": [{"datum": [1, 2]}]}',
        '{"inputs": [], "data": [1, 2]}',
        '{"data": [1, 2], "inputs": [{"data": [3]}]}',
        '{"id": "\\"data\\": [1, 2]", "inputs": [{"data": [3]}]}',
        '{"id": "data", "inputs": [{"data": {"a": [3]}}]}',
        '["data", [1, 2]]',
        "[1, 2]",
    ],
)
def test_anything_else_is_read_as_ever(text: str) -> None:
    def whole(given: Any) -> Any:
        if isinstance(given, Numbers):
            return list(given.read())
        if isinstance(given, dict):
            return {name: whole(value) for name, value in given.items()}
        return [whole(value) for value in given] if isinstance(given, list) else given

    assert whole(load_long(text.encode())) == json.loads(text)


@pytest.mark.parametrize("text", ['{"inputs": [{"data": [1, 2}]}', '{"inputs": [{"data": [1, 2]}]', '{"data": [1]', ""])
def test_broken_json_is_broken(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        load_long(text.encode())


@pytest.mark.parametrize("wrong", ["1 2", "1,", ",1", "1,,2", "01", "1.", "-", "NaN", "tru"])
@pytest.mark.parametrize("where", [0, PIECE // 4, PIECE - 1])
def test_a_broken_element_is_found_in_every_piece(wrong: str, where: int) -> None:
    elements = [*map(str, LONG[:where]), wrong, *map(str, LONG[where + 1 :])]
    with pytest.raises(orjson.JSONDecodeError):
        load_long(long(",".join(elements)))["inputs"][0]["data"].read()


@pytest.mark.parametrize("wrong", ["256", "-1", "1.0", "null", "1e2"])
def test_an_element_that_is_no_byte_is_refused(wrong: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        load_long(long(",".join([*map(str, LONG), wrong])))["inputs"][0]["data"].read()
