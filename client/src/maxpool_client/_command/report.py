"""An inspection as one HTML file: pictures are in it as data, and nothing is fetched."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from maxpool_client._inspection import Inspection, Layer, Sheet

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222;
  background: #fff }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc } h3 { margin-bottom: .2rem }
table { border-collapse: collapse } td, th { padding: .1rem .8rem .1rem 0; text-align: left; font-weight: normal }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { image-rendering: pixelated; max-width: 100% } p.note { color: #555; margin: 0 }
.over { position: relative; display: inline-block } .over img { width: 16rem; vertical-align: top }
.over img + img { position: absolute; left: 0; top: 0; height: 100%; opacity: .55 }
span.word { padding: 0 .2em; border-radius: .2em } code { font-size: .9em }
"""
FADED = 0.05  # of the largest share: a word with less has no colour
STRONGEST = 0.55  # alpha, so that the word can be read


def report(found: Inspection, layers: Sequence[Layer]) -> str:
    title = f"{found.prediction.model} {found.prediction.version}: {found.prediction.label}"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *answer(found),
        *why(found),
        *inside(found, layers),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def answer(found: Inspection) -> Iterator[str]:
    yield "<table><tr><th>label<th>score</tr>"
    for score in found.prediction.top:
        yield f'<tr><td>{escape(score.label)}<td class="number">{score.score:.4f}</tr>'
    yield "</table>"


def why(found: Inspection) -> Iterator[str]:
    yield f"<h2>Why {escape(found.target.label)}</h2>"
    if found.picture is not None:
        yield "<h3>What the net saw, and which cells the score came from</h3>"
        seen = image(found.picture, "what the net saw")
        heat = f'<img src="{escape(found.cam["png"])}" alt="evidence map">' if found.cam else ""
        yield f'<div class="over">{seen}</div> <div class="over">{seen}{heat}</div>'
    if found.cam:
        where = f"{found.cam['height']} x {found.cam['width']} cells of {found.cam['title']}"
        yield f"<p>{escape(found.cam['says'] or found.cam['about'])}"
        yield f'<p class="note">{escape(where)}; blue speaks against it, red for it'
        if found.cam["error"] is not None:
            yield f"; error of the sum {found.cam['error']:.1e}"
    if found.words:
        yield from words(found.words)
    if found.occlusion:
        yield from occlusion(found.occlusion, found.tokens)


def words(said: dict[str, Any]) -> Iterator[str]:
    largest = max((abs(each["share"]) for each in said["words"]), default=0.0)
    yield "<p>" + " ".join(word(each, largest) for each in said["words"])
    yield f"<p>{escape(said['says'])}<p>{escape(said['ngrams_says'])}"
    yield f'<p class="note">errors of the sums {said["error"]:.1e} and {said["ngrams_error"]:.1e}'
    yield "<table><tr><th>n-gram<th>share<th>filters</tr>"
    for each in said["ngrams"][:12]:
        cells = f'<td class="number">{each["share"]:+.3f}<td class="number">{each["filters"]}'
        yield f"<tr><td>{escape(each['text'])}{cells}</tr>"
    yield "</table>"


def word(said: dict[str, Any], largest: float) -> str:
    strength = abs(said["share"]) / largest if largest else 0.0
    colour = "178, 24, 43" if said["share"] > 0 else "33, 102, 172"
    alpha = STRONGEST * strength if strength >= FADED else 0.0
    return (
        f'<span class="word" style="background: rgba({colour}, {alpha:.2f})" title="{said["share"]:+.3f}">'
        f"{escape(said['word'])}</span>"
    )


def occlusion(said: dict[str, Any], tokens: Sequence[str] | None) -> Iterator[str]:
    yield "<h3>What the score loses when a part is hidden</h3>"
    if "error" in said:
        yield f"<p>{escape(said['error'])}"
    elif "png" in said:
        yield f'<div class="over"><img src="{escape(said["png"])}" alt="occlusion map"></div>'
        yield f'<p class="note">{said["grid"][0]} x {said["grid"][1]} places; the largest loss is {said["high"]:.3f}'
    else:
        yield "<table>"
        for token, loss in zip(tokens or (), said["words"], strict=True):
            yield f'<tr><td>{escape(token)}<td class="number">{loss:+.3f}</tr>'
        yield "</table>"


def inside(found: Inspection, layers: Sequence[Layer]) -> Iterator[str]:
    switches = {each["layer"]: each for each in found.switches or ()}
    yield "<h2>Inside the net</h2>"
    for layer in layers:
        yield f"<h3>{escape(layer.title)}</h3>"
        shape = " x ".join(map(str, layer.shape))
        numbers = f"{shape}, {window(layer)}{bounds(layer)}, {layer.zeros:.1%} zeros"
        if layer.parameters:
            numbers += f", {layer.parameters:,} parameters"
        yield f'<p class="note">{escape(numbers)} <code>{escape(layer.id)}</code>'
        if layer.sheet:
            yield f"<p>{sheet(layer.sheet, layer.title)}"
        if found.filters and found.filters["layer"] == layer.id:
            yield f'<p class="note">its filters<p><img src="{escape(found.filters["sheet"]["png"])}" alt="filters"'
            yield f' width="{3 * found.filters["sheet"]["width"]}">'
        if layer.id in switches:
            said = switches[layer.id]
            yield f'<p class="note">{said["kept"]:.1%} of the cells were kept, {said["lost"]:.1%} lost; in'
            yield f"{said['nothing']:.1%} of the windows there was nothing to keep"


def window(layer: Layer) -> str:
    if layer.kernel is None:
        return ""
    step = f" in steps of {' x '.join(map(str, layer.stride))}" if layer.stride and max(layer.stride) > 1 else ""
    return f"windows of {' x '.join(map(str, layer.kernel))}{step}, "


def bounds(layer: Layer) -> str:
    """JSON has no number for what is none, or is without end."""
    if layer.min is None or layer.max is None:
        return "with values that are no numbers"
    return f"from {layer.min:.3g} to {layer.max:.3g}"


def sheet(drawn: Sheet, title: str) -> str:
    width = drawn.gutter + drawn.columns * (drawn.cell[1] + drawn.gutter)
    larger = max(1, round(480 / width))
    return image(drawn.png, title, f' width="{width * larger}"')


def image(png: bytes, alt: str, more: str = "") -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt)}"{more}>'
