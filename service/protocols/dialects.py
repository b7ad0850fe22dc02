"""The dialects beside our own: where each is spoken, by which road, and how OpenAPI describes it.

One more is a file with a Road and a line here.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from service.engine.model import Model
from service.protocols import huggingface, kserve, tei, torchserve
from service.protocols.answers import Json
from service.protocols.native import Predict
from service.protocols.oip import Infer
from service.protocols.oip_openapi import INFER_PATHS, infer_paths
from service.protocols.openapi import ANSWER, INPUTS, PREDICT_PATHS, parameter, refusals, request_of
from service.protocols.road import Road
from service.settings import Settings

SCORES = {"type": "object", "additionalProperties": {"type": "number"}, "description": "label -> score, the best five"}
LABELS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["label", "score"],
        "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
    },
}
LABELS_OR_LISTS = {"type": "array", "items": {"anyOf": [LABELS["items"], LABELS]}}
PREDICTIONS = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": {"type": "array"}}},
}
RAW = {"schema": {"type": "string", "format": "binary"}}
PICTURE, TEXT = {"application/octet-stream": RAW}, {"text/plain": {"schema": {"type": "string"}}}
FORM = {
    "multipart/form-data": {"schema": {"type": "object", "required": ["data"], "properties": {"data": RAW["schema"]}}}
}


@dataclass(frozen=True)
class Dialect:
    name: str  # in the settings and in the log
    title: str
    road: type[Road]
    paths: tuple[str, ...]
    request: Json  # schema of a JSON request
    answer: Json  # schema
    example: Callable[[Model, str], Json]  # a JSON request, from a golden input as text
    raw: Json  # content types of a body that is the input itself

    def describe(self, models: list[Model]) -> Json:
        """The paths of the OpenAPI document."""
        return {
            path: {method.lower(): self._operation(path, method, models) for method in self.road.methods}
            for path in self.paths
        }

    def _operation(self, path: str, method: str, models: list[Model]) -> Json:
        fitting = [model for model in models if self.road.task in (None, model.spec.task)]
        content: dict[str, Any] = dict(self.raw)
        examples = {m.spec.name: {"summary": m.spec.title, "value": self.example(m, text_of(m))} for m in fitting}
        content["application/json"] = {"schema": self.request, "examples": examples}
        return {
            "tags": [self.title],
            "summary": f"Classify as {self.title} does",
            "operationId": "_".join([method.lower(), *filter(str.isidentifier, path.replace(":", "/").split("/"))])
            + ("_version" if "{version}" in path else ""),
            "parameters": [parameter(word, fitting) for word in ("name", "version") if f"{{{word}}}" in path],
            "requestBody": {"required": True, "content": content},
            "responses": {
                "200": {"description": "the answer", "content": {"application/json": {"schema": self.answer}}},
                **refusals(),
            },
        }


def text_of(model: Model) -> str:
    given = model.golden[0].input
    return given if isinstance(given, str) else base64.b64encode(given).decode()


V1 = Dialect(
    "kserve",
    "KServe v1",
    kserve.PredictInstances,
    ("/v1/models/{name}:predict", "/v1/models/{name}/versions/{version}:predict"),
    kserve.REQUEST,
    PREDICTIONS,
    kserve.request_of,
    {},
)
HUGGING_FACE = Dialect(
    "huggingface",
    "Hugging Face",
    huggingface.Pipeline,
    ("/models/{name}", "/models/{name}/versions/{version}"),
    huggingface.REQUEST,
    LABELS_OR_LISTS,
    huggingface.request_of,
    {**PICTURE, **TEXT},
)
TORCHSERVE = Dialect(
    "torchserve",
    "TorchServe",
    torchserve.Predictions,
    ("/predictions/{name}", "/predictions/{name}/{version}"),
    torchserve.REQUEST,
    SCORES,
    torchserve.request_of,
    {**PICTURE, **TEXT, **FORM},
)
SAGEMAKER = Dialect(
    "sagemaker", "SageMaker", Predict, ("/invocations",), INPUTS, ANSWER, request_of, {**PICTURE, **TEXT}
)
TEI = Dialect(
    "tei",
    "text-embeddings-inference",
    tei.PredictSentences,
    ("/predict",),
    tei.REQUEST,
    LABELS_OR_LISTS,
    tei.request_of,
    {},
)
OF_NAME = {dialect.name: dialect for dialect in (V1, HUGGING_FACE, TORCHSERVE, SAGEMAKER, TEI)}


def spoken(settings: Settings) -> list[Dialect]:
    """As the settings have it, without the Open Inference Protocol, which is more than a road."""
    found = [OF_NAME[name] for name in settings.spoken if name in OF_NAME]
    if settings.predict_route:
        found.append(replace(V1, name="vertex", title="Vertex AI", paths=(settings.predict_route,)))
    return found


def roads(settings: Settings) -> list[tuple[str, tuple[str, ...], type[Road]]]:
    """Our own first, each by the name that the log has for it."""
    oip = [("oip", INFER_PATHS, Infer)] if "oip" in settings.spoken else []
    others = [(dialect.name, dialect.paths, dialect.road) for dialect in spoken(settings)]
    return [("maxpool", PREDICT_PATHS, Predict), *oip, *others]


def paths(settings: Settings, models: list[Model]) -> Json:
    described: Json = dict(infer_paths(models)) if "oip" in settings.spoken else {}
    for dialect in spoken(settings):
        described |= dialect.describe(models)
    return described
