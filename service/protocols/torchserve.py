"""TorchServe's inference API: POST or PUT /predictions/{name}[/{version}], a picture or a sentence as it is, as the
`data` of a form, or as {"data": …} or {"body": …} in JSON; the answer is {label: score, …} of the best five."""

from functools import partial

import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.rows import Input
from service.engine.schedule import Schedule
from service.errors import InvalidInput, MaxpoolError
from service.protocols.answers import Json, labelled, whole
from service.protocols.bodies import parse_content_type, read_body, read_object, unpack
from service.protocols.replies import Reply, header
from service.protocols.road import SHORT_BODY, Road
from service.spec import ImageInput

LABELS = 5
EXPECTED = 'expected {"data": …}'
EXCEPTIONS = {404: "ModelNotFoundException", 500: "InternalServerException", 503: "ServiceUnavailableException"}


class Predictions(Road):
    methods = ("POST", "PUT")  # curl -T

    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        content_type = header(scope, b"content-type")
        read = partial(read_input, body, content_type, pictures=isinstance(model.spec.input, ImageInput))
        given = await self._somewhere(read, short=len(body) <= SHORT_BODY)
        predictions = await model.predict([given], schedule)
        (answer,) = whole(predictions.answers, "input")
        best = {each["label"]: each["score"] for each in labelled(model, answer, LABELS)}
        return Reply(orjson.dumps(best), predictions=predictions)

    def error_body(self, error: MaxpoolError) -> bytes:
        """TorchServe's three fields, and `error` as everywhere here."""
        kind = EXCEPTIONS.get(error.status, "BadRequestException")
        return orjson.dumps({"code": error.status, "type": kind, "message": str(error), "error": str(error)})


def read_input(body: bytes, content_type: str, *, pictures: bool) -> Input | MaxpoolError:
    """Raises InvalidInput, UnsupportedInput."""
    media, _ = parse_content_type(content_type)
    if media == "application/json":
        document = read_object(body, content_type, EXPECTED)
        if not document.keys() & {"data", "body"}:
            raise InvalidInput(f"data is missing: {EXPECTED}")
        return unpack(document.get("data", document.get("body")), pictures)
    if not pictures and media in ("application/octet-stream", "application/x-www-form-urlencoded"):
        content_type = ""  # what curl names a file
    given = read_body(body, content_type, pictures=pictures, max_inputs=1)
    return given.inputs[0]


REQUEST: Json = {
    "type": "object",
    "anyOf": [{"required": ["data"]}, {"required": ["body"]}],
    "properties": {"data": {"type": "string", "description": "a sentence, or the base64 of a picture"}},
}


def request_of(model: Model, example: str) -> Json:
    """For the OpenAPI document."""
    return {"data": example}
