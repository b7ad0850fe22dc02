"""The nodes and constants of an ONNX graph, read from its protobuf; more outputs promoted, or a part cut out, without
decoding it.

onnx.proto: ModelProto.ir_version = 1, .graph = 7, .opset_import = 8; GraphProto.node = 1, .name = 2, .initializer = 5,
.input = 11, .output = 12; NodeProto.input = 1, .output = 2, .op_type = 4, .attribute = 5; AttributeProto.name = 1,
.f = 2, .i = 3, .s = 4, .ints = 8; TensorProto.dims = 1, .data_type = 2, .name = 8, .external_data = 13 (key = 1,
value = 2); ValueInfoProto.name = 1.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from service.engine.header import fields, varint

FLOAT = 1  # TensorProto.DataType
Attribute = int | float | bytes | list[int]


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    offset: int | None  # of floats in the file of weights; None for what is in the graph, or is of another type


@dataclass(frozen=True)
class Node:
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    encoded: tuple[memoryview, ...]  # attributes, of which a dictionary of words may be one: read when asked for

    @property
    def output(self) -> str:
        return self.outputs[0]

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """Those that are numbers, texts or lists of whole numbers."""
        return dict(each for message in self.encoded for each in read_attribute(message))

    def number(self, name: str, otherwise: int) -> int:
        value = self.attributes.get(name, otherwise)
        return value if isinstance(value, int) else otherwise

    def factor(self, name: str) -> float:
        value = self.attributes.get(name, 1.0)
        return value if isinstance(value, float) else 1.0

    def numbers(self, name: str) -> tuple[int, ...] | None:
        value = self.attributes.get(name)
        return tuple(value) if isinstance(value, list) else None


class Graph:
    """`model`: the bytes of a file that ONNX Runtime has loaded already."""

    def __init__(self, model: bytes) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, tuple[int, ...]] = {}  # initializers, by name, with their shapes
        self.offsets: dict[str, int] = {}  # of those in the file of weights
        self.outputs: list[str] = []
        for field, message in fields(memoryview(model)):
            if field == 7 and isinstance(message, memoryview):
                self._read(message)
        self.makers = {name: node for node in self.nodes for name in node.outputs if name}
        self.takers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                self.takers.setdefault(name, []).append(node)
        self._constant = {"", *self.constants}  # "": an input that is left out
        for node in self.nodes:  # each after those that it takes from
            if self._constant.issuperset(node.inputs):
                self._constant.update(node.outputs)

    def _read(self, graph: memoryview) -> None:
        for field, message in fields(graph):
            if not isinstance(message, memoryview):
                continue
            if field == 1:
                self.nodes.append(read_node(message))
            elif field == 5:
                tensor = read_tensor(message)
                self.constants[tensor.name] = tensor.shape
                if tensor.offset is not None:
                    self.offsets[tensor.name] = tensor.offset
            elif field == 12:
                self.outputs += [text(value) for at, value in fields(message) if at == 1]

    def is_constant(self, name: str) -> bool:
        """Also what is computed from constants alone."""
        return name in self._constant

    def varying(self, node: Node) -> list[str]:
        """The inputs that are no constants."""
        return [name for name in node.inputs if not self.is_constant(name)]


def promote(model: bytes, names: Iterable[str]) -> bytes:
    """The model with these tensors as outputs, too: protobuf merges a message that is appended, and ONNX Runtime takes
    an output without a type."""
    outputs = b"".join(message(12, message(1, name.encode())) for name in names)
    return model + message(7, outputs)


def cut(model: bytes, wanted: str) -> bytes:
    """A model of the nodes alone that this tensor needs, which is its one output. Raises ValueError where it needs
    constants, which are left out."""
    graph = Graph(model)
    needed, waiting = set[str](), [wanted]
    while waiting:
        name = waiting.pop()
        if name in graph.constants:
            raise ValueError(f"{wanted} needs the constant {name}")
        if name not in needed and name in graph.makers:
            waiting += graph.makers[name].inputs
        needed.add(name)
    kept = b""
    for field, part in fields(memoryview(model)):
        if field == 1 and isinstance(part, int):
            kept += encode_varint(field << 3) + encode_varint(part)
        elif field == 8 and isinstance(part, memoryview):
            kept += message(field, bytes(part))
        elif field == 7 and isinstance(part, memoryview):
            inside = b"".join(
                message(at, bytes(each))
                for at, each in fields(part)
                if isinstance(each, memoryview)
                and (at in (2, 11) or (at == 1 and not needed.isdisjoint(read_node(each).outputs)))
            )
            kept += message(field, inside + message(12, message(1, wanted.encode())))
    return kept


def message(field: int, content: bytes) -> bytes:
    """A field of protobuf's wire type 2."""
    return encode_varint(field << 3 | 2) + encode_varint(len(content)) + content


def encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_node(node: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: list[memoryview] = []
    op = ""
    for field, value in fields(node):
        if field == 1:
            inputs.append(text(value))
        elif field == 2:
            outputs.append(text(value))
        elif field == 4:
            op = text(value)
        elif field == 5 and isinstance(value, memoryview):
            attributes.append(value)
    return Node(op, tuple(inputs), tuple(outputs), tuple(attributes))


def read_attribute(attribute: memoryview) -> Iterator[tuple[str, Attribute]]:
    name, numbers, found = "", list[int](), list[Attribute]()
    for field, value in fields(attribute):
        if field == 1:
            name = text(value)
        elif field == 2 and isinstance(value, memoryview):
            found.append(struct.unpack("<f", value)[0])
        elif field == 3 and isinstance(value, int):
            found.append(signed(value))
        elif field == 4 and isinstance(value, memoryview):
            found.append(bytes(value))
        elif field == 8:
            numbers += [signed(each) for each in repeated(value)]
        elif field in (9, 10, 11):  # lists of texts, tensors or graphs, of any length
            return
    if found or numbers:
        yield name, numbers or found[0]


def read_tensor(tensor: memoryview) -> Tensor:
    name, dims, kind = "", list[int](), 0
    kept: dict[str, str] = {}
    for field, value in fields(tensor):
        if field == 1:
            dims += repeated(value)
        elif field == 2 and isinstance(value, int):
            kind = value
        elif field == 8:
            name = text(value)
        elif field == 13 and isinstance(value, memoryview):
            entry = dict(fields(value))
            kept[text(entry.get(1, 0))] = text(entry.get(2, 0))
    outside = "location" in kept and kind == FLOAT
    return Tensor(name, tuple(dims), int(kept.get("offset", "0")) if outside else None)


def repeated(value: int | memoryview) -> list[int]:
    """Whole numbers one by one, or packed."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(number)
    return found


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def text(value: int | memoryview) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""
