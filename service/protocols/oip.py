"""The Open Inference Protocol's infer route: POST /v2/models/{name}[/versions/{version}]/infer.

body -> JSON and blob -> *read_request* -> inputs -> model -> scores -> *write_response* -> body
"""

import numpy as np
from starlette.types import Scope

from service.engine.model import Model, Prediction
from service.engine.schedule import Schedule
from service.errors import MaxpoolError, UnsupportedInput
from service.protocols.encodings import choose_encoding, deflate
from service.protocols.oip_request import InferRequest, input_name, read_json_length, read_request
from service.protocols.oip_response import Batch, write_response
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.spec import ImageInput

# tritonclient names none, curl -d the second, and a body with a blob is the third.
CONTENT_TYPES = ("", "application/x-www-form-urlencoded", "application/octet-stream", "application/json")
SHORT_ANSWER = 8 * 1024  # scores that are written on the event loop; more in a thread
# An answer shorter than this fits a packet: encoding it gains nothing, whatever the client would accept.
WORTH_ENCODING = 1024


class Infer(Road):
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        check_content_type(header(scope, b"content-type"))
        request = await self._read(model, scope, body)
        request.reschedule(schedule)
        predictions = await model.predict(request.inputs, schedule)
        scores = scores_of(predictions.answers, input_name(model.spec.input))

        def write() -> Reply:
            return write_response(model, request, scores)

        reply = await self._somewhere(write, short=scores.size <= SHORT_ANSWER)
        await self._encode(reply, header(scope, b"accept-encoding"))
        reply.predictions = predictions
        return reply

    async def _read(self, model: Model, scope: Scope, body: bytes) -> InferRequest:
        json_length = read_json_length(header(scope, b"inference-header-content-length"), len(body))
        if json_length == 0 and media_of(header(scope, b"content-type")) == "application/json":
            raise UnsupportedInput(
                "Inference-Header-Content-Length is 0, so the body is a tensor and no JSON: send it as "
                "application/octet-stream, or JSON without that header"
            )

        def read() -> InferRequest:
            return read_request(body, json_length, model.spec.input, max_inputs=self._max_inputs)

        return await self._somewhere(read, short=len(body) <= SHORT_BODY or has_pixels_alone(model, body, json_length))

    async def _encode(self, reply: Reply, accept_encoding: str) -> None:
        encoding = choose_encoding(accept_encoding) if len(reply.body) >= WORTH_ENCODING else None
        if encoding is not None:
            short = len(reply.body) <= SHORT_ANSWER
            reply.body = await self._somewhere(lambda: deflate(reply.body, encoding), short=short)
            reply.headers += [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]


def has_pixels_alone(model: Model, body: bytes, json_length: int | None) -> bool:
    """After little JSON: they are not copied, however many they are, as sentences and encoded pictures would be."""
    if json_length is None or json_length > SHORT_BODY or not isinstance(model.spec.input, ImageInput):
        return False
    return body.find(b"BYTES", 0, json_length) < 0


def media_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def check_content_type(content_type: str) -> None:
    media = media_of(content_type)
    if media not in CONTENT_TYPES:
        raise UnsupportedInput(
            f"content type {media[:64]!r} is not taken here: send application/json, or application/octet-stream with "
            "Inference-Header-Content-Length"
        )


def scores_of(answers: list[Prediction | MaxpoolError], name: str) -> Batch:
    """N x K. A tensor has no place for an error: one bad row is the answer of the request. Raises MaxpoolError."""
    rows = []
    for index, answer in enumerate(answers):
        if isinstance(answer, MaxpoolError):
            raise type(answer)(f"input {name!r}: element {index}: {answer}")
        rows.append(answer.scores)
    return np.stack(rows)
