"""ModelInferRequest -> inputs, and scores -> ModelInferResponse. Signatures are checked as over HTTP."""

from collections.abc import Sequence
from math import prod

from service.engine.model import Model
from service.engine.rows import Input
from service.errors import InvalidInput, MaxpoolError
from service.protocols.oip_messages import Message, message_class
from service.protocols.oip_request import (
    COUNTS,
    OUTPUT,
    InferRequest,
    Json,
    find_input,
    input_name,
    read_count,
    read_outputs,
    read_parameters,
    read_signature,
    rows_of_bytes,
    rows_of_elements,
)
from service.protocols.oip_response import Batch, scores_tensor
from service.protocols.road import SHORT_BODY
from service.protocols.tensors import Shape, check_length, pixels_of_json
from service.spec import ImageInput, SentenceInput

FIELDS = {True: "uint_contents", False: "bytes_contents"}  # of typed contents: for pixels, and for BYTES


def read_infer(message: Message, spec: ImageInput | SentenceInput, *, max_inputs: int) -> InferRequest:
    """Raises InvalidInput, InputTooLarge for too many rows, NotOffered for shared memory."""
    parameters = read_parameters(in_json(message), "the request")
    timeout, priority = (read_count(parameters, name, "the request") for name in COUNTS)
    name = input_name(spec)
    find_input([{"name": tensor.name} for tensor in message.inputs], name)
    (tensor,) = message.inputs
    try:
        inputs = read_contents(tensor, message.raw_input_contents, spec, max_inputs)
    except MaxpoolError as error:
        raise type(error)(f"input {name!r}: {error}") from None
    _, classes = read_outputs([{"name": output.name, **in_json(output)} for output in message.outputs], None)
    return InferRequest(message.id, inputs, binary=True, classes=classes, timeout=timeout, priority=priority)


def has_pixels_alone(model: Model, message: Message, length: int) -> bool:
    """Beside little else: they are not copied, however many they are, as sentences and encoded pictures would be."""
    if not isinstance(model.spec.input, ImageInput) or any(tensor.datatype != "UINT8" for tensor in message.inputs):
        return False
    return length - sum(map(len, message.raw_input_contents)) <= SHORT_BODY


def read_contents(
    tensor: Message, blobs: Sequence[bytes], spec: ImageInput | SentenceInput, max_inputs: int
) -> list[Input]:
    """From raw_input_contents, or else typed."""
    said = {"datatype": tensor.datatype, "shape": list(tensor.shape), **in_json(tensor)}
    _, pixels, shape = read_signature(said, spec, max_inputs)
    if not blobs:
        return rows_of_contents(tensor.contents, pixels, shape, spec)
    if len(blobs) > 1:
        raise InvalidInput(f"raw_input_contents has {len(blobs)} elements: expected one, as there is one input")
    if tensor.HasField("contents"):
        raise InvalidInput("it has contents, and there are raw_input_contents: expected one of them")
    return rows_of_bytes(blobs[0], pixels, shape, spec)


def rows_of_contents(contents: Message, pixels: bool, shape: Shape, spec: ImageInput | SentenceInput) -> list[Input]:
    others = [field.name for field, _ in contents.ListFields() if field.name != FIELDS[pixels]]
    if others:
        raise InvalidInput(f"it has {', '.join(others)}: expected {FIELDS[pixels]}, or raw_input_contents")
    if pixels:
        return list(pixels_of_json(list(contents.uint_contents), shape))
    elements = list(contents.bytes_contents)
    check_length(elements, prod(shape), None)
    return rows_of_elements(elements, spec)


def in_json(of: Message) -> Json:
    """The parameters as they would be in JSON."""
    if not of.parameters:
        return {}
    return {"parameters": {name: parameter(value) for name, value in of.parameters.items()}}


def parameter(value: Message) -> object:
    field = value.WhichOneof("parameter_choice")
    return getattr(value, field) if field else None


def write_infer(model: Model, request: InferRequest, scores: Batch) -> Message:
    tensor = scores_tensor(model, request, scores)
    return message_class("ModelInferResponse")(
        model_name=model.spec.name,
        model_version=model.spec.version,
        id=request.id,
        outputs=[{"name": OUTPUT, "datatype": tensor.datatype, "shape": tensor.shape}],
        raw_output_contents=[tensor.blob()],
    )
