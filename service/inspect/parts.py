"""What each method found, as JSON."""

from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import InvalidInput, alone
from service.inspect import sheets
from service.inspect.evidence import CURVED
from service.inspect.layers import Seen
from service.inspect.looked import CHANNELS, Looked
from service.inspect.occlusion import hide_squares, hide_words
from service.inspect.switches import COLOURS, KEPT, LOST, NOTHING, UNSEEN
from service.inspect.words import shares
from service.spec import ImageInput

Array = npt.NDArray[Any]
Json = dict[str, Any]


def show_cam(looked: Looked) -> Json:
    head = looked.view.head
    assert head is not None
    found = looked.evidence()
    layer = next((seen for seen in looked.view.layers if seen.layer.tensor == head.maps), None)
    height, width = found.cells.shape
    logit = looked.logit(looked.target)
    assert logit is not None
    shown: Json = {
        "layer": layer.id if layer else None,
        "title": layer.layer.title if layer else head.maps,
        "height": height,
        "width": width,
        "values": found.cells.tolist(),
        **heat(found.cells, looked.question.palette),
        "gradcam": found.gradcam.tolist(),
        "exact": head.exact,
        "logit": logit,
        "about": "" if head.exact else CURVED,
    }
    if not head.exact:
        return shown | dict.fromkeys(("cells", "bias", "sum", "error", "says"))
    cells = float(found.cells.sum())
    return shown | {
        "cells": cells,
        "bias": found.bias,
        "sum": found.sum,
        "error": abs(found.sum - logit),
        "says": f"cells {cells:.3f} {signed(found.bias, 'bias')} = logit {logit:.3f}",
    }


def show_switches(looked: Looked, seen: Seen) -> Json:
    """With pixels or numbers where layers were asked for by name."""
    before, after = looked.value(seen.node.inputs[0])[0], looked.value(seen.node.output)[0]
    found = looked.switches(seen, (0, len(before)))
    shown: Json = {
        "layer": seen.id,
        "pooled_from": seen.layer.pooled_from,
        "kernel": seen.node.numbers("kernel_shape"),
        "stride": seen.node.numbers("strides") or (1, 1),
        "pad": seen.node.numbers("pads") or (0, 0, 0, 0),
        "windows": int(after.size),
        "nothing": share(found.winners, NOTHING),
        "cells": int(before.size),
        "kept": share(found.cells, KEPT),
        "lost": share(found.cells, LOST),
        "unseen": share(found.cells, UNSEEN),
        "most_wins": int(found.wins.max()),
    }
    if not looked.question.layers or looked.question.format == "npz":
        return shown
    low, high = looked.channels(seen, len(before))
    if looked.question.format == "json":
        return shown | {"winners": {"channel": low, "rows": found.winners[low].tolist()}}
    sheet = sheets.draw_classes(found.cells[low:high], (low, high), list(COLOURS.values()))
    named = {name: f"#{r:02x}{g:02x}{b:02x}" for name, (r, g, b) in COLOURS.items()}
    return shown | {"sheet": {**sheet, "colours": named}}


def show_filters(looked: Looked) -> Json:
    """The first layer's, each on a scale of its own."""
    seen = looked.view.first_convolution
    assert seen is not None
    weight = looked.value(seen.node.inputs[1]).astype(np.float32, copy=False)  # filters x channels x kernel
    shown = weight[:CHANNELS]
    highest = np.maximum(np.abs(shown).max((1, 2, 3), keepdims=True), np.finfo(np.float32).tiny)
    bytes_ = np.rint(127.5 + 127.5 * shown / highest).astype(np.uint8)
    grid = sheets.grid_of(len(shown), *weight.shape[2:])
    if weight.shape[1] == 3:
        pixels = grid.spread(bytes_.transpose(0, 2, 3, 1))
    else:  # of several channels, as grey maps one after the other
        bytes_ = bytes_.reshape(-1, *weight.shape[2:])[:CHANNELS]
        grid = sheets.grid_of(len(bytes_), *weight.shape[2:])
        pixels = grid.spread(bytes_)
    high = highest.ravel().tolist()
    sheet = {"png": sheets.png(pixels), **grid.describe((0, len(shown))), "scale": "map"}
    return {
        "layer": seen.id,
        "shape": list(weight.shape),
        "sheet": {**sheet, "low": [-each for each in high], "high": high},
    }


def show_words(looked: Looked) -> Json:
    text, tokens, known = looked.view.text, looked.tokens, looked.known
    logit = looked.logit(looked.target)
    assert text is not None
    assert tokens is not None
    assert known is not None
    assert logit is not None
    found = shares(text, looked.values, looked.target)
    words, ngrams = float(found.words.sum()), found.ngrams_sum - found.ngrams_bias
    return {
        "exact": True,
        "logit": logit,
        "words": [
            {"word": word, "known": is_known, "share": each}
            for word, is_known, each in zip(tokens, known, found.words.tolist(), strict=True)
        ],
        "padding": found.padding,
        "constant": found.constant,
        "sum": found.words_sum,
        "error": abs(found.words_sum - logit),
        "says": f"words {words:.3f} {signed(found.padding, 'padding')} {signed(found.constant, 'bias')} = "
        f"logit {logit:.3f}",
        "ngrams": [
            {
                "start": each.start,
                "end": each.start + each.width,
                "width": each.width,
                "text": " ".join(tokens[max(0, each.start) : max(0, each.start + each.width)]),
                "share": each.share,
                "filters": each.filters,
            }
            for each in found.ngrams
        ],
        "ngrams_bias": found.ngrams_bias,
        "ngrams_sum": found.ngrams_sum,
        "ngrams_error": abs(found.ngrams_sum - logit),
        "ngrams_says": f"n-grams {ngrams:.3f} {signed(found.ngrams_bias, 'bias')} = logit {logit:.3f}",
        "silent": found.silent,
    }


def show_occlusion(looked: Looked) -> Json:
    view = looked.view
    seconds = looked.seconds_a_row()
    try:
        if isinstance(view.spec.input, ImageInput):
            found = hide_squares(looked.scores_of, looked.row.row, looked.target, seconds)
        else:
            found = hide_words(looked.scores_of, looked.tokens or [], looked.target, seconds)
    except InvalidInput as error:
        return {"error": str(error), "reason": alone(error).reason}
    shown: Json = {"score": found.score, "runs": found.runs, "seconds": round(found.seconds, 4)}
    if found.patch is None:
        return shown | {"words": found.values.tolist()}
    return shown | {
        "grid": list(found.values.shape),
        "patch": list(found.patch),
        "values": found.values.tolist(),
        **heat(found.values, looked.question.palette),
    }


def heat(values: Array, palette: str) -> Json:
    """A pixel a cell, without gutters: to be laid over the picture."""
    high = float(np.abs(np.nan_to_num(values)).max())
    places = np.rint(np.nan_to_num(values) * (sheets.STEPS / (high or 1)) + sheets.ZERO).astype(np.uint8)
    return {"png": sheets.png(places, sheets.colours(palette)), "low": -high, "high": high}


def share(found: Array, of: int) -> float:
    return round(float((found == of).mean()), 6)


def signed(number: float, name: str) -> str:
    return f"{'-' if number < 0 else '+'} {name} {abs(number):.3f}"
