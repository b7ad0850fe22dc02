"""A question and one input -> the answer: JSON, or a file of arrays."""

import time
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from service.engine.rows import Row
from service.errors import InvalidInput
from service.inspect import parts, sheets
from service.inspect.layers import Seen
from service.inspect.looked import Looked
from service.inspect.question import Question
from service.inspect.view import Maps, View
from service.spec import ImageInput

Array = npt.NDArray[Any]
Json = dict[str, Any]
NUMBERS = 16_384  # in JSON
NPZ_BYTES = 16 * 1024 * 1024
BINS = 32
JSON, NPZ = b"application/json", b"application/x-npz"


def answer(view: View, row: Row, question: Question, *, made_seconds: float) -> tuple[bytes, bytes]:
    """The body and its media type. Raises InvalidInput, InferenceFailed."""
    start = time.perf_counter()
    looked = Looked(view, row, question)
    if question.format == "npz":
        return archive(looked), NPZ
    document = describe(looked)
    document["milliseconds"] = {
        "session": round(made_seconds * 1e3, 3),
        "run": round(looked.run_seconds * 1e3, 3),
        "total": round((made_seconds + time.perf_counter() - start) * 1e3, 3),
    }
    return orjson.dumps(document), JSON


def describe(looked: Looked) -> Json:
    view, spec = looked.view, looked.view.spec
    best = (-looked.scores).argsort(kind="stable")[: looked.question.top_k].tolist()
    top = [scored(looked, index) for index in best]
    layers = [(seen, looked.maps(seen)) for seen in looked.shown]
    drawn: list[Json] = [{} for _ in layers]
    if looked.question.layers:
        check_size(looked, layers)
        drawn = [pixels(looked, seen, maps) for seen, maps in layers]
    document: Json = {
        "model": spec.name,
        "version": spec.version,
        "kind": spec.input.kind,
        "prediction": {**top[0], "top": top, "input": looked.row.description},
        "target": scored(looked, looked.target),
        "temperature": looked.temperature,
        "method": view.method,
        "methods": view.methods,
        "input": show_input(looked),
        "layers": [{**numbers(seen, maps), **extra} for (seen, maps), extra in zip(layers, drawn, strict=True)],
    }
    if "cam" in looked.methods:
        document["cam"] = parts.show_cam(looked)
    if "switches" in looked.methods:
        document["switches"] = [parts.show_switches(looked, seen) for seen in looked.pooled]
    if "filters" in looked.methods:
        document["filters"] = parts.show_filters(looked)
    if "words" in looked.methods:
        document["words"] = parts.show_words(looked)
    if "occlusion" in looked.methods:
        document["occlusion"] = parts.show_occlusion(looked)
    return document


def scored(looked: Looked, index: int) -> Json:
    return {
        "label": looked.view.spec.labels[index],
        "index": index,
        "score": float(looked.scores[index]),
        "logit": looked.logit(index),
    }


def show_input(looked: Looked) -> Json:
    """What the net saw."""
    if not isinstance(looked.view.spec.input, ImageInput):
        return {"tokens": looked.tokens, "known": looked.known}
    row = looked.row.row
    return {"png": sheets.png(row), "width": row.shape[1], "height": row.shape[0]}


def numbers(seen: Seen, maps: Maps) -> Json:
    values = maps.values
    channels, height, width = values.shape
    return {
        "id": seen.id,
        "title": seen.layer.title,
        "op": seen.layer.op,
        "group": seen.layer.group,
        "shape": maps.shape,
        "channels": channels,
        "height": height,
        "width": width,
        "kernel": seen.layer.kernel,
        "stride": seen.layer.stride,
        "pad": seen.layer.pad,
        "input": seen.input,
        "pooled_from": seen.layer.pooled_from,
        "parameters": seen.parameters,
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "zeros": round(1 - int(np.count_nonzero(values)) / values.size, 6),
    }


def check_size(looked: Looked, layers: list[tuple[Seen, Maps]]) -> None:
    """Before anything is drawn. Raises InvalidInput."""
    pixels = values = 0
    for seen, maps in layers:
        low, high = looked.channels(seen, len(maps.values), most=looked.most_channels_of(maps))
        grid = sheets.grid_of(high - low, *maps.values.shape[1:])
        pixels += grid.size[0] * grid.size[1]
        values += maps.values[low:high].size
        if looked.question.format == "json" and high - low > 1:
            raise InvalidInput(
                f"format=json gives the numbers of one channel, and channels={low}:{high} are {high - low}: expected "
                "channels=a:a+1, or format=npz for all"
            )
    if looked.question.format == "json" and values > NUMBERS:
        raise InvalidInput(f"these layers have {values:,} numbers: at most {NUMBERS:,} in JSON; ask for format=npz")
    if looked.question.format == "sheets" and pixels > sheets.MAX_PIXELS:
        raise InvalidInput(
            f"the sheets would have {pixels:,} pixels: at most {sheets.MAX_PIXELS:,}; ask for fewer layers or channels"
        )


def pixels(looked: Looked, seen: Seen, maps: Maps) -> Json:
    low, high = looked.channels(seen, len(maps.values), most=looked.most_channels_of(maps))
    shown = maps.values[low:high]
    if looked.question.format == "json":
        return {"histogram": histogram(maps.values), "values": {"channel": low, "rows": shown[0].tolist()}}
    sheet = sheets.draw(shown, (low, high), palette=looked.question.palette, scale=looked.question.scale)
    return {"histogram": histogram(maps.values), "sheet": sheet}


def histogram(values: Array) -> list[int]:
    """Counts in equal steps from the least to the greatest."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        return [values.size, *[0] * (BINS - 1)]
    places = ((values - low) * (BINS / (high - low))).astype(np.uint8)  # the greatest would begin one more
    counts: list[int] = np.bincount(places.ravel(), minlength=BINS + 1).tolist()
    return [*counts[: BINS - 1], sum(counts[BINS - 1 :])]


def archive(looked: Looked) -> bytes:
    """The arrays by name, as numpy.load reads them. Raises InvalidInput."""
    arrays: dict[str, Array] = {}
    for seen in looked.shown if looked.question.layers else ():
        maps = looked.maps(seen)
        low, high = looked.channels(seen, len(maps.values), most=len(maps.values))
        arrays[seen.id] = maps.values[low:high]
    if (total := sum(each.nbytes for each in arrays.values())) > NPZ_BYTES:
        raise InvalidInput(
            f"these layers have {total:,} bytes: at most {NPZ_BYTES:,} in an answer; ask for fewer layers or channels"
        )
    arrays["scores"] = looked.scores
    if looked.logits is not None:
        arrays["logits"] = looked.logits
    if isinstance(looked.view.spec.input, ImageInput):
        arrays["image"] = looked.row.row
    if "cam" in looked.methods:
        arrays["cam"] = looked.evidence().cells
    for seen in looked.pooled:
        before = looked.value(seen.node.inputs[0])[0]
        arrays[f"{seen.id}.winners"] = looked.switches(
            seen, looked.channels(seen, len(before), most=len(before))
        ).winners
    file = BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
