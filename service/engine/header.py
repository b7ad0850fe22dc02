"""What an ONNX file says of itself before anything runs it: IR version, operator sets, files that it reaches for.

ONNX Runtime has no call that tells; the protobuf has them as plain fields (onnx.proto: ModelProto, OperatorSetIdProto,
TensorProto), and everything else is skipped unread.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import ModelRefused

IR_VERSION, OPSET_IMPORT = 1, 8  # fields of ModelProto
DOMAIN, VERSION = 1, 2  # fields of OperatorSetIdProto
KEY, VALUE = 1, 2  # fields of StringStringEntryProto
# Every way to the external_data of a TensorProto: message -> field -> message.
WAYS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "external": {},
}
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # protobuf wire types


@dataclass(frozen=True)
class Header:
    ir: int
    opsets: dict[str, int]  # domain, "" for ONNX itself -> version


def read_header(graph: bytes) -> Header:
    """Raises ModelRefused when the bytes are no ONNX model."""
    ir = 0
    opsets: dict[str, int] = {}
    try:
        for field, value in fields(memoryview(graph)):
            if field == IR_VERSION and isinstance(value, int):
                ir = value
            elif field == OPSET_IMPORT and isinstance(value, memoryview):
                opset = dict(fields(value))
                domain, version = opset.get(DOMAIN, b""), opset.get(VERSION, 0)
                if isinstance(domain, bytes | memoryview) and isinstance(version, int):
                    opsets[bytes(domain).decode()] = version
    except (IndexError, ValueError) as error:
        raise ModelRefused("model.onnx is not an ONNX file, or is cut off: export it again") from error
    if not ir or not opsets:
        raise ModelRefused("model.onnx is not an ONNX file: it names no IR version or no operator set")
    return Header(ir, opsets)


def external_files(graph: bytes) -> set[str]:
    """The files, as the graph names them, that it keeps tensors in. Raises ModelRefused when the bytes are cut off."""
    found: set[str] = set()
    waiting = [("model", memoryview(graph))]
    try:
        while waiting:
            kind, message = waiting.pop()
            if kind == "external":
                entry = {at: bytes(text) for at, text in fields(message) if isinstance(text, memoryview)}
                if entry.get(KEY) == b"location":
                    found.add(entry.get(VALUE, b"").decode(errors="replace"))
                continue
            for field, value in fields(message):
                if isinstance(value, memoryview) and field in WAYS[kind]:
                    waiting.append((WAYS[kind][field], value))
    except (IndexError, ValueError) as error:
        raise ModelRefused("model.onnx is cut off: export it again") from error
    return found


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(message, at)
            yield key >> 3, value
            continue
        if kind == LENGTH:
            size, at = varint(message, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(message):
            raise ValueError("cut off")
        yield key >> 3, message[at : at + size]
        at += size


def varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("varint too long")
