"""The OpenAPI entry of the infer routes, which FastAPI can not see. Examples are golden inputs: they work."""

import base64
from typing import Any

from service.engine.model import Model
from service.protocols.oip_request import OUTPUT, input_name
from service.protocols.openapi import parameter, refusals

INFER_PATHS = ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer")
PARAMETERS = {
    "type": "object",
    "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
}
TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string"},
        "parameters": PARAMETERS,
        "data": {"type": "array", "items": {}, "description": "nested or flat; not where binary_data_size is given"},
    },
}
REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string", "description": "comes back with the answer"},
        "parameters": PARAMETERS,
        "inputs": {"type": "array", "items": TENSOR, "minItems": 1, "maxItems": 1},
        "outputs": {
            "type": "array",
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"const": OUTPUT}, "parameters": PARAMETERS},
            },
        },
    },
}
RESPONSE = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": TENSOR, "minItems": 1, "maxItems": 1},
    },
}


def infer_paths(models: list[Model]) -> dict[str, Any]:
    return {path: {"post": infer_operation(path, models)} for path in INFER_PATHS}


def infer_operation(path: str, models: list[Model]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "tags": ["Open Inference Protocol"],
        "summary": "Scores of a batch of tensors",
        "operationId": "infer_version" if "{version}" in path else "infer",
        "parameters": [
            *(parameter(word, models) for word in ("name", "version") if f"{{{word}}}" in path),
            {
                "name": "Inference-Header-Content-Length",
                "in": "header",
                "description": "bytes of JSON before the binary tensor; 0 for a body that is the tensor alone",
                "schema": {"type": "integer", "minimum": 0},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": REQUEST, "examples": {m.spec.name: infer_example(m) for m in models}},
                "application/octet-stream": binary,
            },
        },
        "responses": {
            "200": {
                "description": "the scores, a row each, or the best classes of each row",
                "content": {"application/json": {"schema": RESPONSE}, "application/octet-stream": binary},
            },
            **refusals(),
            "501": {**refusals()["400"], "description": "shared memory"},
        },
    }


def infer_example(model: Model) -> dict[str, Any]:
    """An encoded picture or a sentence; pixels would be many numbers."""
    given = model.golden[0].input
    data = given if isinstance(given, str) else base64.b64encode(given).decode()
    tensor = {"name": input_name(model.spec.input), "shape": [1], "datatype": "BYTES", "data": [data]}
    outputs = [{"name": OUTPUT, "parameters": {"classification": 3}}]
    return {"summary": model.spec.title, "value": {"id": "1", "inputs": [tensor], "outputs": outputs}}
