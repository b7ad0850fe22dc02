"""KServe's first protocol, which is that of TensorFlow Serving and of Vertex AI, too: instances in, predictions out.

POST /v1/models/{name}:predict   {"instances": [{"b64": …}, …]}   ->   {"predictions": [[score of each label], …]}
With "parameters": {"top_k": 3} a prediction is the best labels, [{"label": …, "score": …}, …].
"""

import asyncio
import binascii
from base64 import b64decode
from functools import partial
from typing import Any

import numpy as np
import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.rows import Input
from service.engine.schedule import Schedule
from service.errors import InputTooLarge, InvalidInput, MaxpoolError
from service.protocols.answers import Json, labelled, read_top_k, whole
from service.protocols.bodies import read_object
from service.protocols.replies import Reply, server_timing
from service.protocols.road import Road
from service.spec import ImageInput, SentenceInput

SHORT_BODY = 64 * 1024
EXPECTED = 'expected {"instances": [...]}'


class PredictInstances(Road):
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        read = partial(read_instances, body, model.spec.input, max_inputs=self._max_inputs)
        if len(body) <= SHORT_BODY:
            inputs, top_k = read()
        else:
            inputs, top_k = await asyncio.get_running_loop().run_in_executor(self._registry.readers, read)
        predictions = await model.predict(inputs, schedule)
        answers = whole(predictions.answers, "instance")
        shown = [labelled(model, each, top_k) if top_k else each.scores for each in answers]
        return Reply(
            orjson.dumps({"predictions": shown}, option=orjson.OPT_SERIALIZE_NUMPY),
            headers=[server_timing(predictions)],
        )


def read_instances(body: bytes, spec: ImageInput | SentenceInput, *, max_inputs: int) -> tuple[list[Input], int]:
    """The inputs, and how many labels of each to answer with, 0 for the scores alone. Raises InvalidInput,
    InputTooLarge for too many instances."""
    document = read_object(body, EXPECTED)
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidInput(f"instances is missing, empty or no array: {EXPECTED}")
    if len(instances) > max_inputs:
        raise InputTooLarge(f"there are {len(instances)} instances: at most {max_inputs}; send several requests")
    parameters = document.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidInput("parameters is no JSON object")
    inputs: list[Input] = []
    for index, instance in enumerate(instances):
        try:
            inputs.append(read_picture(instance, spec) if isinstance(spec, ImageInput) else read_text(instance))
        except MaxpoolError as error:
            raise type(error)(f"instance {index}: {error}") from None
    return inputs, read_top_k(parameters, 0)


def read_picture(instance: Any, spec: ImageInput) -> Input:
    """{"b64": …}, or under whatever one name; its base64 alone; or its pixels, fitted. Raises InvalidInput."""
    given = only_value(instance)
    if isinstance(given, dict) and given.keys() == {"b64"}:
        given = given["b64"]
    if isinstance(given, str):
        try:
            return b64decode(given.partition(",")[2] if given.startswith("data:") else given, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"it is not base64 ({error}): expected the base64 of a picture") from None
    if isinstance(given, list):
        return read_pixels(given, spec)
    raise InvalidInput(f'it is a JSON {type(given).__name__}: expected {{"b64": …}} or pixels')


def read_pixels(given: list[Any], spec: ImageInput) -> Input:
    expected = (spec.height, spec.width, spec.channels)
    try:
        pixels = np.array(given)
    except ValueError:  # rows of different length
        pixels = np.zeros(0)
    if pixels.shape != expected or pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise InvalidInput(f"its pixels are not {list(expected)} whole numbers from 0 to 255")
    return pixels.astype(np.uint8)


def read_text(instance: Any) -> Input:
    given = only_value(instance)
    if not isinstance(given, str):
        raise InvalidInput(f"it is a JSON {type(given).__name__}: expected a sentence")
    return given


def only_value(instance: Any) -> Any:
    """Of an object with one field, as models with named inputs are sent."""
    if isinstance(instance, dict) and len(instance) == 1 and "b64" not in instance:
        return next(iter(instance.values()))
    return instance


def request_of(model: Model, example: str) -> Json:
    """For the OpenAPI document."""
    return {"instances": [{"b64": example} if isinstance(model.spec.input, ImageInput) else example]}
