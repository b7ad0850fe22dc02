"""text-embeddings-inference: POST /predict {"inputs": "a sentence"} or {"inputs": [["one"], ["another"]]}.

A list of two strings is a pair there, for models that compare; none of ours does.
"""

from functools import partial
from typing import Any

import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.rows import Input
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError, Unavailable
from service.protocols.answers import Json, labelled, whole
from service.protocols.bodies import check_count, read_object
from service.protocols.kinds import kind
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.spec import SentenceInput

EXPECTED = 'expected {"inputs": "a sentence"}, or {"inputs": [["one"], ["another"]]}'
FLAGS = ("raw_scores", "truncate")
KINDS = {500: "backend", 503: "overloaded", 504: "overloaded"}  # of errors, by status


class PredictSentences(Road):
    task = "sentence-classification"

    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        content_type = header(scope, b"content-type")
        document = await self._somewhere(
            partial(read_object, body, content_type, EXPECTED), short=len(body) <= SHORT_BODY
        )
        flags = {name: read_flag(document, name) for name in FLAGS}
        if flags["raw_scores"]:
            raise InvalidInput(f"raw_scores is true: this model gives {model.spec.scores}, or leave it out")
        given = document.get("inputs")
        batch = isinstance(given, list) and any(isinstance(element, list) for element in given)
        elements = given if batch and isinstance(given, list) else [given]
        check_count(len(elements), self._max_inputs)
        sentences: list[Input] = [read_sequence(element) for element in elements]
        if flags["truncate"] and isinstance(model.spec.input, SentenceInput):
            longest = model.spec.input.max_characters
            sentences = [sentence[:longest] for sentence in sentences]
        predictions = await model.predict(sentences, schedule)
        answers = [labelled(model, each, len(model.spec.labels)) for each in whole(predictions.answers, "input")]
        return Reply(orjson.dumps(answers if batch else answers[0]), predictions=predictions)

    def error_body(self, error: MaxpoolError) -> bytes:
        kind = KINDS.get(error.status, "validation")
        if type(error) is Unavailable:  # not for a queue that is full, but for a model that was refused
            kind = "unhealthy"
        return orjson.dumps({"error": str(error), "error_type": kind})


def read_sequence(given: Any) -> str:
    """ "a sentence" or ["a sentence"]. Raises InvalidInput."""
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, list):
        raise InvalidInput(f"a list of {len(given)} is a pair or nothing, and this model takes sentences: {EXPECTED}")
    if not isinstance(given, str):
        raise InvalidInput(f"an input is a JSON {kind(given)}: {EXPECTED}")
    return given


def read_flag(document: Json, name: str) -> bool:
    value = document.get(name)
    if not isinstance(value, bool | None):
        raise InvalidInput(f"{name} is {str(value)[:32]}: expected true or false")
    return bool(value)


ONE: Json = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}
REQUEST: Json = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "inputs": {
            "description": "a sentence, or a batch of them, each in a list of its own",
            "anyOf": [{"type": "string"}, ONE, {"type": "array", "items": ONE, "minItems": 1}],
        },
        "raw_scores": {"enum": [False, None]},
        "truncate": {"type": ["boolean", "null"], "description": "to the longest sentence that the model takes"},
    },
}


def request_of(model: Model, example: str) -> Json:
    """For the OpenAPI document."""
    return {"inputs": example}
