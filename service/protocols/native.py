"""Maxpool's own dialect: POST /v1/models/{name}/predict, with a picture or a sentence as it is.

An ASGI object and not a FastAPI endpoint: the machinery around an endpoint costs more than a small net
(docs/operations.md). The OpenAPI entry is in openapi.py.
"""

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from service.engine.model import Model, Prediction, Predictions
from service.engine.registry import Registry
from service.errors import InvalidInput, MaxpoolError
from service.metrics import Metrics
from service.protocols.bodies import Inputs
from service.protocols.bodies import read_body as read_inputs
from service.protocols.replies import Disconnected, header, read_body, send_error, send_json
from service.settings import Settings
from service.spec import ImageInput

TOP_K = 5
# A body up to this long is unpacked on the event loop, within about a tenth of a millisecond; a longer one in a thread.
SHORT_BODY = 64 * 1024


class Predict:
    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics) -> None:
        self._registry = registry
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        model: Model | None = None
        start = time.perf_counter()
        try:
            path = scope["path_params"]
            model = self._registry.find(path["name"], path.get("version"))
            body = await read_body(scope, receive, max_bytes=self._settings.max_body_bytes)
            start = time.perf_counter()
            top_k = read_top_k(scope["query_string"], model)
            document, timing = await self._answer(model, body, header(scope, b"content-type"), top_k)
        except Disconnected:
            return
        except MaxpoolError as error:
            self._metrics.rejected.labels(type(error).__name__).inc()
            status = error.status
            await send_error(send, error)
        else:
            status = 200
            await send_json(send, 200, document, [(b"server-timing", timing.encode())])
        if model is not None:
            model.metrics.answered(status, time.perf_counter() - start)

    async def _answer(self, model: Model, body: bytes, content_type: str, top_k: int) -> tuple[dict[str, Any], str]:
        given = await self._unpack(body, content_type, pictures=isinstance(model.spec.input, ImageInput))
        whole = [each for each in given.inputs if not isinstance(each, MaxpoolError)]
        predictions = await model.predict(whole, top_k=top_k)
        answered = iter(predictions.answers)
        answers = [each if isinstance(each, MaxpoolError) else next(answered) for each in given.inputs]
        if given.single and isinstance(answers[0], MaxpoolError):
            raise answers[0]
        document = {
            "model": model.spec.name,
            "version": model.spec.version,
            "predictions": [
                {"error": str(answer), "code": answer.status} if isinstance(answer, MaxpoolError) else show(answer)
                for answer in answers
            ],
        }
        return document, server_timing(predictions)

    async def _unpack(self, body: bytes, content_type: str, *, pictures: bool) -> Inputs:
        def unpack() -> Inputs:
            # More than the queue holds could never be admitted, however often it is tried.
            most = min(self._settings.max_inputs, self._settings.queue_rows)
            return read_inputs(body, content_type, pictures=pictures, max_inputs=most)

        if len(body) <= SHORT_BODY or content_type.startswith("image/"):
            return unpack()
        return await asyncio.get_running_loop().run_in_executor(self._registry.readers, unpack)


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


def show(prediction: Prediction) -> dict[str, Any]:
    top = [{"label": label, "index": index, "score": score} for label, index, score in prediction.top]
    return {**top[0], "top": top, "input": prediction.description}


def server_timing(predictions: Predictions) -> str:
    """W3C Server-Timing, in milliseconds."""
    return (
        f"decode;dur={predictions.decode_seconds * 1e3:.3f}, queue;dur={predictions.queue_seconds * 1e3:.3f}, "
        f"infer;dur={predictions.infer_seconds * 1e3:.3f}"
    )
