"""POST /v1/models/{name}/inspect: what every layer made of one input, and which part of it the answer came from."""

from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Scope

from service.engine.model import Model
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError
from service.inspect.inspector import Inspector
from service.inspect.question import ALL, FORMATS, METHODS, NONE, SCALES, SUMMARY, TOP, Question
from service.inspect.sheets import PALETTES
from service.modelmetrics import Counters
from service.protocols.bodies import read_body
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.spec import ImageInput

PARAMETERS = ("target", "layers", "channels", "methods", "format", "palette", "scale", "top_k")


class Inspect(Road):
    on_trial = False

    def __init__(self, *of_road: Any, **named: Any) -> None:
        super().__init__(*of_road, **named)
        self._inspector = Inspector(max_pixels=self._settings.max_pixels)

    def _counters(self, model: Model | None) -> Counters:
        return self._metrics.of_inspections(*((model.spec.name, model.spec.version) if model else ("", "")))

    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        question = read_question(scope["query_string"])
        unpack = partial(
            read_body,
            body,
            header(scope, b"content-type"),
            pictures=isinstance(model.spec.input, ImageInput),
            max_inputs=self._max_inputs,
        )
        given = await self._somewhere(unpack, short=len(body) <= SHORT_BODY)
        if len(given.inputs) > 1:
            raise InvalidInput(f"the request has {len(given.inputs)} inputs: one at a time is looked into")
        (one,) = given.inputs
        if isinstance(one, MaxpoolError):
            raise one
        answer, media_type = await self._inspector.look(model, one, question, schedule)
        return Reply(answer, media_type)

    def close(self) -> None:
        self._inspector.close()


def read_question(query: bytes) -> Question:
    """Raises InvalidInput."""
    try:
        given = dict(parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=16))
    except ValueError:
        raise InvalidInput(f"the query string can not be read: expected of {', '.join(PARAMETERS)}") from None
    if unknown := given.keys() - set(PARAMETERS):
        raise InvalidInput(
            f"unknown query parameter {', '.join(map(repr, sorted(unknown)))[:200]}: "
            f"expected of {', '.join(PARAMETERS)}"
        )
    asked = given.get("layers", SUMMARY)
    methods = words(given.get("methods", ""))
    if wrong := set(methods) - {*METHODS, ALL}:
        raise InvalidInput(f"methods has {', '.join(sorted(wrong))[:200]}: expected of {', '.join(METHODS)}, or all")
    question = Question(
        target=given.get("target", TOP),
        layers=None if asked == SUMMARY else () if asked == NONE else words(asked),
        channels=read_channels(given["channels"]) if "channels" in given else None,
        methods=methods,
        every_method=ALL in methods,
        format=one_of("format", given, FORMATS),
        palette=one_of("palette", given, tuple(PALETTES)),
        scale=one_of("scale", given, SCALES),
        top_k=read_top_k(given.get("top_k", "5")),
    )
    if question.layers == () and asked != NONE:
        raise InvalidInput("layers is empty: expected ids by commas, summary, or none")
    if question.format == "npz" and not question.layers and not methods:
        raise InvalidInput("format=npz needs the layers whose arrays it is to have: layers=<ids by commas>")
    return question


def words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def one_of(name: str, given: dict[str, str], known: tuple[str, ...]) -> str:
    """The first unless said. Raises InvalidInput."""
    found = given.get(name, known[0])
    if found not in known:
        raise InvalidInput(f"{name} is {found[:32]!r}: expected {' or '.join(known)}")
    return found


def read_channels(text: str) -> tuple[int, int]:
    """Raises InvalidInput."""
    low, _, high = text.partition(":")
    if not all(each.isascii() and each.isdecimal() and len(each) < 8 for each in (low, high)):
        raise InvalidInput(f"channels is {text[:32]!r}: expected a:b, from a to below b")
    return int(low), int(high)


def read_top_k(text: str) -> int:
    """Raises InvalidInput."""
    if not (text.isascii() and text.isdecimal() and int(text[:10]) >= 1):
        raise InvalidInput(f"top_k is {text[:32]!r}: expected a whole number from 1")
    return int(text[:10])
