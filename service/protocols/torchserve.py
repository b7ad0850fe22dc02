"""TorchServe's inference API: POST or PUT /predictions/{name}[/{version}], a picture or a sentence as it is or as the
`data` of a form; the answer is {label: score, …} of the best five."""

import orjson
from starlette.types import Scope

from service.engine.model import Model
from service.engine.schedule import Schedule
from service.errors import InvalidInput
from service.protocols.answers import labelled, whole
from service.protocols.bodies import read_body
from service.protocols.replies import Reply, header, server_timing
from service.protocols.road import Road
from service.spec import ImageInput

LABELS = 5


class Predictions(Road):
    methods = ("POST", "PUT")  # curl -T

    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        pictures = isinstance(model.spec.input, ImageInput)
        content_type = header(scope, b"content-type")
        if not pictures and content_type in ("application/octet-stream", "application/x-www-form-urlencoded"):
            content_type = ""  # what curl names a file
        given = read_body(body, content_type, pictures=pictures, max_inputs=self._max_inputs)
        if len(given.inputs) > 1:
            raise InvalidInput(f"there are {len(given.inputs)} inputs: expected one, as TorchServe takes it")
        predictions = await model.predict(given.inputs, schedule)
        (answer,) = whole(predictions.answers, "input")
        best = {each["label"]: each["score"] for each in labelled(model, answer, LABELS)}
        return Reply(orjson.dumps(best), headers=[server_timing(predictions)])
