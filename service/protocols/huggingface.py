"""Hugging Face's inference API: POST /models/{name}, as its Python and JavaScript clients send it.

A picture as it is, whatever its content type or without one; or {"inputs": …, "parameters": {"top_k": …}} with its
base64 or with a sentence. Labels come flat for a picture, and in a list of lists for sentences.
"""

from functools import partial
from typing import Any

import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.rows import Input
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError
from service.protocols.answers import Json, check_function, labelled, read_parameters, read_top_k, whole
from service.protocols.bodies import check_count, parse_content_type, read_object, unpack
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.sentences import read_sentence
from service.spec import ImageInput

PICTURE_LABELS = 5  # of a picture unless top_k says otherwise; of a sentence all
EXPECTED = 'expected {"inputs": …}, or a picture as it is'


class Pipeline(Road):
    """Image classification or text classification."""

    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        media, _ = parse_content_type(header(scope, b"content-type"))
        pictures = isinstance(model.spec.input, ImageInput)
        top_k = PICTURE_LABELS if pictures else len(model.spec.labels)
        if media == "application/json" or body[:1] == b"{":
            read = partial(self._read, model, body, top_k)
            inputs, single, top_k = await self._somewhere(read, short=len(body) <= SHORT_BODY)
        else:
            inputs, single = [body if pictures else read_sentence(body)], True
        predictions = await model.predict(inputs, schedule)
        answers = [labelled(model, each, top_k) for each in whole(predictions.answers, "input")]
        shown: Any = answers[0] if pictures and single else answers
        return Reply(orjson.dumps(shown), predictions=predictions)

    def error_body(self, error: MaxpoolError) -> bytes:
        """Its one field."""
        return orjson.dumps({"error": str(error)})

    def _read(self, model: Model, body: bytes, otherwise: int) -> tuple[list[Input], bool, int]:
        """The inputs, whether there is one that came alone, and how many labels. Raises InvalidInput, InputTooLarge."""
        document = read_object(body, "", EXPECTED)
        parameters = read_parameters(document)
        check_function(parameters, model)
        if "inputs" not in document:
            raise InvalidInput(f"inputs is missing: {EXPECTED}")
        given = document["inputs"]
        elements = given if isinstance(given, list) else [given]
        check_count(len(elements), self._max_inputs)
        inputs: list[Input] = []
        for index, element in enumerate(elements):
            try:
                inputs.append(unpack(element, isinstance(model.spec.input, ImageInput)))
            except MaxpoolError as error:
                raise type(error)(f"input {index}: {error}") from None
        return inputs, not isinstance(given, list), read_top_k(parameters, otherwise)


REQUEST: Json = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "inputs": {
            "description": "a sentence, or the base64 of a picture; or a list of them",
            "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        },
        "parameters": {
            "properties": {
                "top_k": {"type": ["integer", "null"], "minimum": 1},
                "function_to_apply": {"enum": ["softmax", "sigmoid", None], "description": "as the model has it"},
            }
        },
    },
}


def request_of(model: Model, example: str) -> Json:
    """For the OpenAPI document."""
    return {"inputs": example, "parameters": {"top_k": 2}}
