"""The messages of oip.proto: classes made from its compiled form, oip.binpb, when they are asked for.

Generated Python would be tied to one range of protobuf's versions and makes the same classes of the same bytes.
"""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from service.errors import InvalidInput

SERVICE = "inference.GRPCInferenceService"
COMPILED = Path(__file__).with_name("oip.binpb")
Message = Any


@cache
def pool() -> Any:
    """One of our own: a program that has these messages from elsewhere, too, would collide in the common one."""
    compiled = FileDescriptorSet.FromString(COMPILED.read_bytes())
    found = DescriptorPool()
    for file in compiled.file:
        found.Add(file)
    return found


@cache
def message_class(name: str) -> Message:
    """Raises KeyError."""
    return GetMessageClass(pool().FindMessageTypeByName(f"inference.{name}"))


def rpcs() -> Any:
    """Each with its name, and the input_type and output_type of its messages."""
    return pool().FindServiceByName(SERVICE).methods


def read_message(kind: Message, body: bytes) -> Message:
    """Raises InvalidInput."""
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidInput(f"the request is no {kind.DESCRIPTOR.name}: send one as protocol buffers write it") from None
