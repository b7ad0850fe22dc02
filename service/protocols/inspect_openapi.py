"""The OpenAPI entry of the inspect routes. docs/inspect.md says what each field means."""

from typing import Any

from service.engine.model import Model
from service.inspect.question import ALL, FORMATS, METHODS, SCALES
from service.inspect.sheets import PALETTES
from service.protocols.openapi import INPUTS, LABEL, example, parameter, refusals

INSPECT_PATHS = ("/v1/models/{name}/inspect", "/v1/models/{name}/versions/{version}/inspect")
SCORED = {**LABEL, "properties": {**LABEL["properties"], "logit": {"type": ["number", "null"]}}}  # type: ignore[dict-item]
LAYER = {
    "type": "object",
    "required": ["id", "title", "op", "shape", "channels", "height", "width", "min", "max", "mean", "zeros"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "op": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "zeros": {"type": ["number", "null"], "description": "share of values that are exactly 0"},
        "parameters": {"type": "integer"},
        "sheet": {"type": "object", "description": "its maps in one PNG, a data: URI"},
        "values": {"type": "object", "description": "numbers of one channel, with format=json"},
    },
}
ANSWER = {
    "type": "object",
    "required": ["model", "version", "kind", "prediction", "target", "method", "methods", "input", "layers"],
    "properties": {
        "model": {"type": "string"},
        "version": {"type": "string"},
        "kind": {"enum": ["image", "sentence"]},
        "prediction": SCORED,
        "target": SCORED,
        "temperature": {"type": ["number", "null"]},
        "method": {"type": "string", "description": "how a score is a sum"},
        "methods": {"type": "array", "items": {"enum": list(METHODS)}, "description": "those that this model has"},
        "input": {"type": "object", "description": "what the net saw: a PNG, or words"},
        "layers": {"type": "array", "items": LAYER},
        **{method: {"description": "docs/inspect.md"} for method in METHODS},
        "milliseconds": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}
QUERY: dict[str, tuple[dict[str, Any], str]] = {
    "target": ({"type": "string", "default": "top"}, "the class to explain: top, a label, or an index"),
    "layers": ({"type": "string", "default": "summary"}, "summary, none, or ids by commas, each with its sheet"),
    "channels": ({"type": "string", "pattern": "^[0-9]{1,7}:[0-9]{1,7}$"}, "a:b, from a to below b"),
    "methods": ({"type": "string"}, f"of {', '.join(METHODS)}, by commas; or {ALL}"),
    "format": ({"enum": list(FORMATS), "default": FORMATS[0]}, "pictures, numbers of one channel, or arrays"),
    "palette": ({"enum": list(PALETTES), "default": "light"}, "what zero looks like"),
    "scale": ({"enum": list(SCALES), "default": SCALES[0]}, "of the colours: one a layer, or one a map"),
    "top_k": ({"type": "integer", "minimum": 1, "default": 5}, "labels in prediction.top"),
}


def inspect_paths(models: list[Model]) -> dict[str, Any]:
    return {path: {"post": operation(path, models)} for path in INSPECT_PATHS}


def operation(path: str, models: list[Model]) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "tags": ["inspect"],
        "summary": "Look inside a net while it answers",
        "operationId": "inspect_version" if "{version}" in path else "inspect",
        "parameters": [
            *(parameter(word, models) for word in ("name", "version") if f"{{{word}}}" in path),
            *(
                {"name": name, "in": "query", "description": text, "schema": schema}
                for name, (schema, text) in QUERY.items()
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": INPUTS, "examples": {m.spec.name: example(m) for m in models}},
                "image/png": binary,
                "image/jpeg": binary,
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": {
                "description": "what the layers made of it",
                "content": {"application/json": {"schema": ANSWER}, "application/x-npz": binary},
            },
            **refusals(),
        },
    }
