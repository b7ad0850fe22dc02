"""What an ONNX file says of itself before anything runs it: IR version and operator sets.

ONNX Runtime has no call that tells; the protobuf's top level has them as plain fields (onnx.proto: ModelProto,
OperatorSetIdProto), and everything else is skipped unread.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import ModelRefused

IR_VERSION, OPSET_IMPORT = 1, 8  # fields of ModelProto
DOMAIN, VERSION = 1, 2  # fields of OperatorSetIdProto
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
