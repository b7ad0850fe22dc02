"""The OpenAPI entry of the predict routes, which FastAPI can not see. Examples are golden inputs: they work."""

import base64
from typing import Any

from service.engine.model import Model

LABEL = {
    "type": "object",
    "required": ["label", "index", "score"],
    "properties": {"label": {"type": "string"}, "index": {"type": "integer"}, "score": {"type": "number"}},
}
PREDICTION = {
    "type": "object",
    "properties": {
        **LABEL["properties"],  # type: ignore[dict-item]
        "top": {"type": "array", "items": LABEL, "description": "the best top_k labels, the best first"},
        "input": {"type": "object", "description": "what was understood of the input"},
        "error": {"type": "string", "description": "in place of all else, for a bad input among several"},
        "code": {"type": "integer", "description": "the status this input would have had alone"},
        "reason": {"type": "string", "description": "what kind of error, by a name that stays"},
    },
}
ANSWER = {
    "type": "object",
    "required": ["model", "version", "predictions"],
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "predictions": {"type": "array", "items": PREDICTION},
    },
}
INPUTS = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "inputs": {
            "description": "a sentence, or the base64 of a picture; or a list of them, in which anything else is "
            "answered by an error in its place",
            "oneOf": [{"type": "string"}, {"type": "array", "items": {}, "minItems": 1}],
        }
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "reason": {"type": "string", "description": "what kind of error, by a name that stays"},
    },
}
REFUSALS = {
    "400": "the input is not what the model takes",
    "401": "no key, or a wrong one, where the service asks for one",
    "403": "a key that is not for this model",
    "404": "no such model or version",
    "413": "a body, picture, sentence or list over its limit",
    "415": "a content type or encoding that the model does not take",
    "429": "more requests than the key may send; Retry-After says when to ask again",
    "503": "the queue is full; Retry-After says when to ask again",
    "504": "the deadline passed",
}
PREDICT_PATHS = ("/v1/models/{name}/predict", "/v1/models/{name}/versions/{version}/predict")


def without_422(schema: dict[str, Any]) -> dict[str, Any]:
    """The document without what FastAPI says of every path with a parameter: what it refuses is 400 here."""
    for item in schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    return schema


def predict_paths(models: list[Model]) -> dict[str, Any]:
    return {path: {"post": operation(path, models)} for path in PREDICT_PATHS}


def operation(path: str, models: list[Model]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    files = {"type": "object", "properties": {"file": {"type": "array", "items": binary["schema"]}}}
    return {
        "tags": ["predict"],
        "summary": "Classify pictures or sentences",
        "operationId": "predict_version" if "{version}" in path else "predict",
        "parameters": [
            *(parameter(word, models) for word in ("name", "version") if f"{{{word}}}" in path),
            {
                "name": "top_k",
                "in": "query",
                "description": "how many labels to answer with",
                "schema": {"type": "integer", "minimum": 1, "default": 5},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": INPUTS, "examples": {m.spec.name: example(m) for m in models}},
                "image/png": binary,
                "image/jpeg": binary,
                "image/webp": binary,
                "image/gif": binary,
                "text/plain": {"schema": {"type": "string"}},
                "multipart/form-data": {"schema": files},
            },
        },
        "responses": {
            "200": {
                "description": "a prediction for each input, in order",
                "headers": {"Server-Timing": {"schema": {"type": "string"}, "description": "decode, queue and infer"}},
                "content": {"application/json": {"schema": ANSWER}},
            },
            **refusals(),
        },
    }


def refusals() -> dict[str, Any]:
    error = {"application/json": {"schema": ERROR}}
    return {code: {"description": text, "content": error} for code, text in REFUSALS.items()}


def parameter(word: str, models: list[Model]) -> dict[str, Any]:
    examples = {m.spec.name: {"value": getattr(m.spec, word)} for m in models}
    return {"name": word, "in": "path", "required": True, "schema": {"type": "string"}, "examples": examples}


def example(model: Model) -> dict[str, Any]:
    given = model.golden[0].input
    text = given if isinstance(given, str) else base64.b64encode(given).decode()
    return {"summary": model.spec.title, "value": request_of(model, text)}


def request_of(model: Model, text: str) -> dict[str, Any]:
    return {"inputs": text}
