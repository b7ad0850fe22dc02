"""Maxpool's own dialect: POST /v1/models/{name}/predict, with a picture or a sentence as it is."""

from functools import partial
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Scope

from service.engine.model import Model, Prediction
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError
from service.protocols.bodies import read_body
from service.protocols.replies import Reply, error_fields, header
from service.protocols.road import SHORT_BODY, Road
from service.spec import ImageInput

TOP_K = 5


class Predict(Road):
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        top_k = read_top_k(scope["query_string"], model)
        content_type = header(scope, b"content-type")
        unpack = partial(
            read_body,
            body,
            content_type,
            pictures=isinstance(model.spec.input, ImageInput),
            max_inputs=self._max_inputs,
        )
        if len(body) <= SHORT_BODY or content_type.startswith("image/"):
            given = unpack()
        else:
            given = await self._somewhere(unpack, short=False)
        predictions = await model.predict(given.inputs, schedule)
        answers = predictions.answers
        if given.single and isinstance(answers[0], MaxpoolError):
            raise answers[0]
        document = {
            "model": model.spec.name,
            "version": model.spec.version,
            "predictions": [
                {**error_fields(answer), "code": answer.status}
                if isinstance(answer, MaxpoolError)
                else show(model, answer, top_k)
                for answer in answers
            ],
        }
        return Reply(orjson.dumps(document), predictions=predictions)


def read_top_k(query: bytes, model: Model) -> int:
    """How many labels to answer with; more than there are gives all. Raises InvalidInput."""
    if not query:
        return TOP_K
    try:
        given = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise InvalidInput("the query string has too many fields: expected top_k alone") from None
    if unknown := given.keys() - {"top_k"}:
        raise InvalidInput(f"unknown query parameter {', '.join(map(repr, sorted(unknown)))}: expected top_k")
    text = given["top_k"][-1]
    if not (text.isascii() and text.isdecimal() and int(text[:10]) >= 1):
        raise InvalidInput(f"top_k is {text[:32]!r}: expected a whole number from 1 to {len(model.spec.labels)}")
    return int(text[:10])


def show(model: Model, prediction: Prediction, top_k: int) -> dict[str, Any]:
    top = [
        {"label": label, "index": index, "score": round(score, 6)}
        for label, index, score in model.rank(prediction.scores, top_k)
    ]
    return {**top[0], "top": top, "input": prediction.description}
