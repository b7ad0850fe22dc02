"""What an inspection found. docs/inspect.md of the service says what each number means."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2

from ._types import Json, Prediction, Score, parse_input


@dataclass(frozen=True)
class Sheet:
    """Maps of a layer side by side. Map i is at column i % columns, row i // columns."""

    png: bytes = field(repr=False)
    channels: tuple[int, int]  # from, and to below
    columns: int
    rows: int
    cell: tuple[int, int]  # height and width of a map
    gutter: int


@dataclass(frozen=True)
class Layer:
    id: str
    title: str
    op: str
    group: str | None
    shape: tuple[int, ...]
    channels: int
    height: int
    width: int
    input: str | None  # the layer before, or what the net was given
    pooled_from: str | None  # the layer whose maps it pools
    kernel: tuple[int, ...] | None  # of a layer with a window: its height and width, in words its length
    stride: tuple[int, ...] | None
    pad: tuple[int, ...] | None
    min: float | None
    max: float | None
    mean: float | None
    zeros: float  # share of values that are 0
    parameters: int
    sheet: Sheet | None = None


@dataclass(frozen=True)
class Inspection:
    prediction: Prediction
    target: Score  # the class that is explained
    logit: float | None  # of the target
    method: str
    methods: tuple[str, ...]  # that the model has
    layers: tuple[Layer, ...]
    picture: bytes | None = field(repr=False)  # what the net saw, a PNG
    tokens: tuple[str, ...] | None  # of a sentence
    # What the methods found, as the service says it; None for one that was not asked for.
    cam: Json | None = field(default=None, repr=False)
    switches: list[Json] | None = field(default=None, repr=False)
    filters: Json | None = field(default=None, repr=False)
    words: Json | None = field(default=None, repr=False)
    occlusion: Json | None = field(default=None, repr=False)


def query(
    *,
    target: str | int | None = None,
    layers: str | Sequence[str] | None = None,
    channels: tuple[int, int] | None = None,
    methods: str | Sequence[str] = (),
    palette: str | None = None,
    scale: str | None = None,
    format: str | None = None,
) -> dict[str, str]:
    asked = {
        "target": None if target is None else str(target),
        "layers": layers if isinstance(layers, str | None) else ",".join(layers) or "none",
        "channels": None if channels is None else f"{channels[0]}:{channels[1]}",
        "methods": methods if isinstance(methods, str) else ",".join(methods),
        "palette": palette,
        "scale": scale,
        "format": format,
    }
    return {name: value for name, value in asked.items() if value}


def parse_inspection(response: httpx2.Response) -> Inspection:
    body = response.json()
    said = body["prediction"]
    target = body["target"]
    given = body["input"]
    return Inspection(
        prediction=Prediction(
            label=said["label"],
            index=said["index"],
            score=said["score"],
            top=tuple(parse_score(each) for each in said["top"]),
            model=body["model"],
            version=body["version"],
            input=parse_input(said.get("input")),
        ),
        target=parse_score(target),
        logit=target["logit"],
        method=body["method"],
        methods=tuple(body["methods"]),
        layers=tuple(parse_layer(each) for each in body["layers"]),
        picture=decode(given["png"]) if "png" in given else None,
        tokens=tuple(given["tokens"]) if given.get("tokens") is not None else None,
        cam=body.get("cam"),
        switches=body.get("switches"),
        filters=body.get("filters"),
        words=body.get("words"),
        occlusion=body.get("occlusion"),
    )


def parse_score(scored: Json) -> Score:
    return Score(label=scored["label"], index=scored["index"], score=scored["score"])


def parse_layer(layer: Json) -> Layer:
    return Layer(
        id=layer["id"],
        title=layer["title"],
        op=layer["op"],
        group=layer["group"],
        shape=tuple(layer["shape"]),
        channels=layer["channels"],
        height=layer["height"],
        width=layer["width"],
        input=layer["input"],
        pooled_from=layer["pooled_from"],
        kernel=numbers(layer["kernel"]),
        stride=numbers(layer["stride"]),
        pad=numbers(layer["pad"]),
        min=layer["min"],
        max=layer["max"],
        mean=layer["mean"],
        zeros=layer["zeros"],
        parameters=layer["parameters"],
        sheet=parse_sheet(layer["sheet"]) if "sheet" in layer else None,
    )


def numbers(given: list[int] | None) -> tuple[int, ...] | None:
    return None if given is None else tuple(given)


def parse_sheet(sheet: Json) -> Sheet:
    return Sheet(
        png=decode(sheet["png"]),
        channels=(sheet["channels"][0], sheet["channels"][1]),
        columns=sheet["columns"],
        rows=sheet["rows"],
        cell=(sheet["cell"][0], sheet["cell"][1]),
        gutter=sheet["gutter"],
    )


def decode(uri: str) -> bytes:
    """Of a data: URI."""
    return base64.b64decode(uri.partition(",")[2])
