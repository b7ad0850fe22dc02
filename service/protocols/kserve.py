"""KServe's first protocol, which is that of TensorFlow Serving and of Vertex AI, too: instances in, predictions out.

POST /v1/models/{name}:predict   {"instances": [{"b64": …}, …]}   ->   {"predictions": [[score of each label], …]}
With "parameters": {"top_k": 3} a prediction is the best labels, [{"label": …, "score": …}, …].
"""

from functools import partial
from typing import Any

import numpy as np
import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.rows import Input
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError
from service.protocols.answers import Json, labelled, read_parameters, read_top_k, whole
from service.protocols.bodies import check_count, read_object, unpack
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.protocols.tensors import flatten
from service.spec import ImageInput, SentenceInput

EXPECTED = 'expected {"instances": [...]}'


class PredictInstances(Road):
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        content_type = header(scope, b"content-type")
        read = partial(read_instances, body, content_type, model.spec.input, max_inputs=self._max_inputs)
        inputs, top_k = await self._somewhere(read, short=len(body) <= SHORT_BODY)
        predictions = await model.predict(inputs, schedule)
        answers = whole(predictions.answers, "instance")
        shown = [labelled(model, each, top_k) if top_k else each.scores for each in answers]
        return Reply(
            orjson.dumps({"predictions": shown}, option=orjson.OPT_SERIALIZE_NUMPY),
            predictions=predictions,
        )


def read_instances(
    body: bytes, content_type: str, spec: ImageInput | SentenceInput, *, max_inputs: int
) -> tuple[list[Input], int]:
    """The inputs, and how many labels of each to answer with, 0 for the scores alone. Raises InvalidInput,
    UnsupportedInput, InputTooLarge for too many instances."""
    document = read_object(body, content_type, EXPECTED)
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidInput(f"instances is missing, empty or no array: {EXPECTED}")
    check_count(len(instances), max_inputs)
    parameters = read_parameters(document)
    inputs: list[Input] = []
    for index, instance in enumerate(instances):
        try:
            inputs.append(read_instance(instance, spec))
        except MaxpoolError as error:
            raise type(error)(f"instance {index}: {error}") from None
    return inputs, read_top_k(parameters, 0)


def read_instance(instance: Any, spec: ImageInput | SentenceInput) -> Input:
    """{"b64": …}, or under whatever one name; base64 or a sentence alone; or pixels. Raises InvalidInput."""
    given = only_value(instance)
    if isinstance(spec, ImageInput):
        if isinstance(given, dict) and given.keys() == {"b64"}:
            given = given["b64"]
        if isinstance(given, list):
            return read_pixels(given, spec)
    return unpack(given, isinstance(spec, ImageInput))


def read_pixels(given: list[Any], spec: ImageInput) -> Input:
    """H x W x C, or of a grey picture H x W, or flat, as wide as the model has it. Raises InvalidInput."""
    shape = (spec.height, spec.width, spec.channels)
    row = given[0] if given else None
    is_plane = spec.channels == 1 and isinstance(row, list) and bool(row) and not isinstance(row[0], list)
    try:
        pixels = bytes(flatten(given, shape[:2] if is_plane else shape))
    except (InvalidInput, TypeError, ValueError):
        raise InvalidInput(f"its pixels are not {list(shape)} whole numbers from 0 to 255") from None
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def only_value(instance: Any) -> Any:
    """Of an object with one field, as models with named inputs are sent; or the content as Vertex AI's own models have
    it, with its type beside it."""
    if not isinstance(instance, dict) or "b64" in instance:
        return instance
    if instance.keys() == {"content", "mimeType"}:
        return instance["content"]
    return next(iter(instance.values())) if len(instance) == 1 else instance


REQUEST: Json = {
    "type": "object",
    "required": ["instances"],
    "properties": {
        "instances": {
            "type": "array",
            "minItems": 1,
            "items": {},
            "description": 'each {"b64": …}, base64 or a sentence, or pixels, H x W x C',
        },
        "parameters": {"properties": {"top_k": {"type": ["integer", "null"], "minimum": 1}}},
    },
}


def request_of(model: Model, example: str) -> Json:
    """For the OpenAPI document."""
    return {"instances": [{"b64": example} if isinstance(model.spec.input, ImageInput) else example]}
