"""What the service answers, as frozen dataclasses. A key that this version does not know is passed over."""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx2

Json: TypeAlias = dict[str, Any]

DURATION = re.compile(r"([\w-]+)\s*;\s*dur=(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True)
class Score:
    label: str
    index: int
    score: float


@dataclass(frozen=True)
class Picture:
    """A picture as the service found it, before it was turned and fitted."""

    format: str
    width: int
    height: int
    mode: str
    orientation: int


@dataclass(frozen=True)
class Sentence:
    characters: int


@dataclass(frozen=True)
class Prediction:
    label: str
    index: int
    score: float
    top: tuple[Score, ...]
    model: str
    version: str
    input: Picture | Sentence | None = None
    # Milliseconds by step, of the whole request. Two equal predictions rarely took equally long.
    timing: dict[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Refused:
    """In place of a prediction, for one bad input among many."""

    error: str
    code: int | None  # the HTTP status it would have had alone; None for what was never sent or never answered
    # What was raised for it on this side, if anything was: a FileNotFoundError, a TimedOut.
    cause: Exception | None = field(default=None, compare=False)
    reason: str | None = None  # the service's own word for what is wrong, as MaxpoolError has it


@dataclass(frozen=True)
class Health:
    """Of a service that answers, and so is alive."""

    ready: bool
    reason: str | None = None  # why it is not ready


@dataclass(frozen=True)
class Model:
    name: str
    version: str | None
    task: str | None
    status: str


@dataclass(frozen=True)
class ModelDetail(Model):
    labels: tuple[str, ...]
    spec: dict[str, Any] = field(compare=False)


def parse_answers(response: httpx2.Response) -> list[Prediction | Refused]:
    body = response.json()
    timing = parse_timing(response.headers.get("server-timing", ""))
    return [
        Refused(error=answer["error"], code=answer["code"], reason=answer.get("reason"))
        if "error" in answer
        else Prediction(
            label=answer["label"],
            index=answer["index"],
            score=answer["score"],
            top=tuple(Score(label=s["label"], index=s["index"], score=s["score"]) for s in answer["top"]),
            model=body["model"],
            version=body["version"],
            input=parse_input(answer.get("input")),
            timing=timing,
        )
        for answer in body["predictions"]
    ]


def parse_input(described: Json | None) -> Picture | Sentence | None:
    match described:
        case {"format": format, "width": width, "height": height, "mode": mode, "orientation": orientation}:
            return Picture(format=format, width=width, height=height, mode=mode, orientation=orientation)
        case {"characters": characters}:
            return Sentence(characters=characters)
    return None


def parse_timing(header: str) -> dict[str, float]:
    return {step: float(milliseconds) for step, milliseconds in DURATION.findall(header)}


def parse_models(response: httpx2.Response) -> list[Model]:
    return [
        Model(name=model["name"], version=model.get("version"), task=model.get("task"), status=model["status"])
        for model in response.json()["models"]
    ]


def parse_model(response: httpx2.Response) -> ModelDetail:
    model = response.json()
    return ModelDetail(
        name=model["name"],
        version=model.get("version"),
        task=model.get("task"),
        status=model["status"],
        labels=tuple(model.get("labels") or ()),
        spec=model.get("spec") or {},
    )
