"""Inputs to try a model with: its golden ones, which were proven when it was loaded."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from service.engine.model import Model
from service.engine.registry import Registry
from service.errors import InvalidInput
from service.protocols.catalog import Failure

MOST = 24  # of a model
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Failure, "description": "no such model"}}
NONE: dict[int | str, dict[str, Any]] = {400: {"model": Failure, "description": "no such example"}}
# A picture's format is told by its first bytes, as `images` does.
FORMATS = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))


class Example(BaseModel):
    index: int
    kind: Literal["image", "sentence"]
    label: str = Field(description="what the model answers to it")
    score: float
    bytes: int = Field(description="of the picture, or of the sentence in UTF-8")
    sentence: str | None = Field(None, description="the sentence; null for a picture")


class Examples(BaseModel):
    model: str
    version: str
    examples: list[Example]


def examples(registry: Registry) -> APIRouter:
    router = APIRouter(tags=["models"])

    @router.get(
        "/v1/models/{name}/examples", response_model=Examples, response_model_exclude_none=True, responses=MISSING
    )
    async def list_examples(name: str) -> Examples:
        """Inputs to try a model with: its golden inputs, the first 24."""
        model = registry.find(name, None)
        found = [example(model, index) for index in range(min(MOST, len(model.golden)))]
        return Examples(model=model.spec.name, version=model.spec.version, examples=found)

    @router.get(
        "/v1/models/{name}/examples/{index}",
        response_class=Response,
        responses={
            200: {"content": {media_type: {} for _, media_type in FORMATS} | {"text/plain": {}}},
            **MISSING,
            **NONE,
        },
    )
    async def show_example(name: str, index: int) -> Response:
        """One of them, as it would be sent to predict."""
        golden = registry.find(name, None).golden[:MOST]
        if not 0 <= index < len(golden):
            raise InvalidInput(f"there is no example {index}: expected one from 0 to {len(golden) - 1}")
        given = golden[index].input
        if isinstance(given, str):
            return Response(given.encode(), media_type="text/plain; charset=utf-8")
        headers = {"x-content-type-options": "nosniff"}
        return Response(given, media_type=media_type(given), headers=headers)

    return router


def example(model: Model, index: int) -> Example:
    golden = model.golden[index]
    best = max(range(len(golden.scores)), key=golden.scores.__getitem__)
    sentence = golden.input if isinstance(golden.input, str) else None
    return Example(
        index=index,
        kind="image" if sentence is None else "sentence",
        label=model.spec.labels[best],
        score=round(golden.scores[best], 6),
        bytes=len(golden.input if sentence is None else sentence.encode()),
        sentence=sentence,
    )


def media_type(picture: str | bytes) -> str:
    found = (kind for start, kind in FORMATS if isinstance(picture, bytes) and picture.startswith(start))
    return next(found, "application/octet-stream")
