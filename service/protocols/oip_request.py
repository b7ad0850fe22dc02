"""The body of an infer request (Open Inference Protocol, and its binary tensor data extension) -> inputs."""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.engine.rows import Input
from service.engine.schedule import LAST, Schedule
from service.errors import InputTooLarge, InvalidInput, MaxpoolError, NotOffered
from service.protocols.kinds import kind
from service.protocols.long_json import Numbers, load_long
from service.protocols.tensors import (
    Blob,
    Shape,
    elements_of_bytes,
    pixels_of_bytes,
    pixels_of_json,
    read_shape,
    strings_of_json,
)
from service.sentences import read_sentence
from service.spec import ImageInput, SentenceInput

OUTPUT = "scores"
COUNTS = ("timeout", "priority")  # of the schedule policy extension: microseconds, and 1 the highest
LONG = 128 * 1024  # bytes of JSON that are worth to be read in pieces
SHARED_MEMORY = "shared_memory_region"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InferRequest:
    id: str | None
    inputs: list[Input]  # a row each
    binary: bool  # the answer's tensor, as bytes after the JSON
    classes: int | None  # the best labels in place of all scores
    timeout: int | None = None  # microseconds
    priority: int | None = None  # from 1, the highest; 0 or None for the usual one

    def reschedule(self, schedule: Schedule) -> None:
        """As the schedule policy extension has it, whose timeout counts from the arrival of the request."""
        if self.timeout:
            schedule.shorten(schedule.arrived + self.timeout / 1e6)
        if self.priority:
            schedule.priority = min(self.priority, LAST)


def read_json_length(header: str, body_length: int) -> int | None:
    """Of Inference-Header-Content-Length; None where it is not there. Raises InvalidInput."""
    if not header:
        return None
    if not (header.isascii() and header.isdecimal() and len(header) < 20 and int(header) <= body_length):
        raise InvalidInput(
            f"Inference-Header-Content-Length is {header[:32]!r}: expected how many of the {body_length:,} bytes "
            "of the body are its JSON, or 0 for none"
        )
    return int(header)


def read_request(
    body: bytes, json_length: int | None, spec: ImageInput | SentenceInput, *, max_inputs: int
) -> InferRequest:
    """Raises InvalidInput, InputTooLarge for too many rows, NotOffered for shared memory."""
    if json_length == 0:
        return InferRequest(None, read_raw(body, spec, max_inputs), binary=True, classes=None)
    view = memoryview(body)
    try:
        text: Blob = body if json_length is None else view[:json_length]
        document = orjson.loads(text) if len(text) <= LONG else load_long(bytes(text))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the request is not valid JSON ({error}): expected an inference request object") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"the request is a JSON {kind(document)}: expected an object with 'inputs'")
    given_id = document.get("id")
    if not isinstance(given_id, str | None):
        raise InvalidInput(f"id is a JSON {kind(given_id)}: expected a string")
    parameters = read_parameters(document, "the request")
    timeout, priority = (read_count(parameters, name, "the request") for name in COUNTS)
    tensor = find_input(document.get("inputs"), input_name(spec))
    try:
        inputs = read_tensor(tensor, None if json_length is None else view[json_length:], spec, max_inputs)
    except MaxpoolError as error:
        raise type(error)(f"input {input_name(spec)!r}: {error}") from None
    binary, classes = read_outputs(document.get("outputs"), read_flag(parameters, "binary_data_output", "the request"))
    return InferRequest(given_id, inputs, bool(binary), classes, timeout, priority)


def input_name(spec: ImageInput | SentenceInput) -> str:
    return "image" if isinstance(spec, ImageInput) else "sentence"


def find_input(given: Any, name: str) -> Json:
    if not isinstance(given, list) or not given or not all(isinstance(tensor, dict) for tensor in given):
        raise InvalidInput(f"inputs is missing or no array of objects: expected the one input {name!r}")
    names = [tensor.get("name") for tensor in given]
    if names != [name]:
        raise InvalidInput(f"the inputs are {str(names)[:200]}: expected {name!r}, once")
    tensor: Json = given[0]
    return tensor


def read_tensor(tensor: Json, blob: Blob | None, spec: ImageInput | SentenceInput, max_inputs: int) -> list[Input]:
    parameters, pixels, shape = read_signature(tensor, spec, max_inputs)
    size = read_count(parameters, "binary_data_size", "it")
    if size is None:
        if blob:
            raise InvalidInput(f"{len(blob):,} bytes follow the JSON: expected a binary_data_size that says whose")
        if "data" not in tensor:
            raise InvalidInput("it has no data: expected data, or a binary_data_size")
        return rows_of_json(tensor["data"], pixels, shape, spec)
    if "data" in tensor:
        raise InvalidInput("it has data and a binary_data_size: expected one of them")
    if blob is None:
        raise InvalidInput("it has a binary_data_size: expected the header Inference-Header-Content-Length with it")
    if size != len(blob):
        raise InvalidInput(f"its binary_data_size is {size:,}: {len(blob):,} bytes follow the JSON")
    return rows_of_bytes(blob, pixels, shape, spec)


def read_signature(tensor: Json, spec: ImageInput | SentenceInput, max_inputs: int) -> tuple[Json, bool, Shape]:
    """What is said of an input: its parameters, whether it has pixels, its shape."""
    parameters = read_parameters(tensor, "it")
    if SHARED_MEMORY in parameters:
        raise NotOffered("shared memory is not offered: send the data in the request")
    if "shape" not in tensor:
        raise InvalidInput("it has no shape: expected name, shape, datatype and data")
    datatype, shape = tensor.get("datatype"), read_shape(tensor["shape"])
    check_signature(datatype, shape, spec, max_inputs)
    return parameters, datatype == "UINT8", shape


def check_signature(datatype: Any, shape: Shape, spec: ImageInput | SentenceInput, max_inputs: int) -> None:
    """A batch of pixels as the graph takes them, or BYTES: encoded pictures, or sentences."""
    if isinstance(spec, ImageInput):
        pixels = [spec.height, spec.width, spec.channels]
        expected = f"UINT8 of shape [-1, {str(pixels)[1:]}, or BYTES (encoded pictures) of shape [-1]"
        fits = list(shape[1:]) == pixels if datatype == "UINT8" else datatype == "BYTES" and is_column(shape)
    else:
        expected = "BYTES of shape [-1]"
        fits = datatype == "BYTES" and is_column(shape)
    if not fits:
        raise InvalidInput(f"it is {str(datatype)[:32]} of shape {str(list(shape))[:64]}: expected {expected}")
    if not shape[0]:
        raise InvalidInput("it has no rows: expected at least one")
    if shape[0] > max_inputs:
        raise InputTooLarge(f"it has {shape[0]:,} rows: at most {max_inputs}; send several requests")


def is_column(shape: Shape) -> bool:
    """[N], or [N, 1] as clients of servers with a batch axis send it."""
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def rows_of_json(data: Any, pixels: bool, shape: Shape, spec: ImageInput | SentenceInput) -> list[Input]:
    if pixels:
        return list(pixels_of_json(data, shape))
    if isinstance(data, Numbers):
        raise InvalidInput("its data are numbers: expected strings")
    strings = strings_of_json(data, shape)
    if isinstance(spec, SentenceInput):
        return list(strings)
    return [picture_of_base64(index, string) for index, string in enumerate(strings)]


def rows_of_bytes(blob: Blob, pixels: bool, shape: Shape, spec: ImageInput | SentenceInput) -> list[Input]:
    if pixels:
        return list(pixels_of_bytes(blob, shape))
    return rows_of_elements(elements_of_bytes(blob, shape), spec)


def rows_of_elements(elements: Sequence[bytes], spec: ImageInput | SentenceInput) -> list[Input]:
    if isinstance(spec, ImageInput):
        return list(elements)
    return [sentence_of_bytes(index, element) for index, element in enumerate(elements)]


def read_raw(body: bytes, spec: ImageInput | SentenceInput, max_inputs: int) -> list[Input]:
    """A body that is the one tensor and nothing else; the batch follows from its size, of BYTES it is 1."""
    if isinstance(spec, SentenceInput):
        return [read_sentence(body)]
    row = spec.height * spec.width * spec.channels
    if not body or len(body) % row:
        raise InvalidInput(f"the body has {len(body):,} bytes: expected pixels, {row:,} bytes a row")
    shape = (len(body) // row, spec.height, spec.width, spec.channels)
    check_signature("UINT8", shape, spec, max_inputs)
    return list(pixels_of_bytes(body, shape))


def picture_of_base64(index: int, string: str) -> bytes:
    """JSON has no bytes; as everywhere it is base64, or a data URL."""
    try:
        return b64decode(string.partition(",")[2] if string.startswith("data:") else string, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"element {index} is not base64 ({error}): expected the base64 of a picture") from None


def sentence_of_bytes(index: int, element: bytes) -> str:
    try:
        return read_sentence(element)
    except InvalidInput as error:
        raise InvalidInput(f"element {index}: {error}") from None


def read_outputs(given: Any, binary: bool | None) -> tuple[bool | None, int | None]:
    """Whether as bytes, and how many classes. `binary`: what the request says of all outputs."""
    if given is None or given == []:
        return binary, None
    if not isinstance(given, list) or not all(isinstance(output, dict) for output in given):
        raise InvalidInput("outputs is no array of objects: expected the one output 'scores', or no outputs")
    names = [output.get("name") for output in given]
    if names != [OUTPUT]:
        raise InvalidInput(f"the outputs are {str(names)[:200]}: expected {OUTPUT!r}, once")
    where = f"output {OUTPUT!r}"
    parameters = read_parameters(given[0], where)
    if SHARED_MEMORY in parameters:
        raise NotOffered("shared memory is not offered: the data comes in the response")
    classes = read_count(parameters, "classification", where)
    of_output = read_flag(parameters, "binary_data", where)
    return binary if of_output is None else of_output, classes or None


def read_parameters(of: Json, where: str) -> Json:
    """Unknown ones are let through, as the protocol has it. Raises InvalidInput for a value it has not."""
    parameters = of.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{where} has parameters that are no JSON object")
    for name, value in parameters.items():
        if not isinstance(value, str | int | float):
            raise InvalidInput(f"{where} has a parameter {name[:64]!r} that is no string, number or boolean")
    return parameters


def read_count(parameters: Json, name: str, where: str) -> int | None:
    value = parameters.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise InvalidInput(f"{where} has a {name} of {str(value)[:32]}: expected a whole number that is not negative")
    return value


def read_flag(parameters: Json, name: str, where: str) -> bool | None:
    value = parameters.get(name)
    if not isinstance(value, bool | None):
        raise InvalidInput(f"{where} has a {name} of {str(value)[:32]}: expected true or false")
    return value
