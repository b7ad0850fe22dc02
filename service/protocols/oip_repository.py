"""The model repository extension of the Open Inference Protocol: what there is, and for the administrator to load and
unload it. Models come from the models folder alone, never with a request."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, Security
from fastapi.security import HTTPBearer
from prometheus_client import Counter

from service.engine.registry import Registry
from service.engine.repository import Repository
from service.errors import InvalidInput, MaxpoolError
from service.protocols.admin_key import AdminKey
from service.protocols.catalog import Failure
from service.protocols.replies import header, read_body

SHORT_BODY = 64 * 1024
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "refused, with the reason; what was served before still is"},
    401: {"model": Failure, "description": "no key, or a wrong one"},
    403: {"model": Failure, "description": "there is no administrator"},
    404: {"model": Failure, "description": "no such model"},
    503: {"model": Failure, "description": "the worker processes did not agree in time"},
}


class Control:
    """Loading and unloading, for those who have the key; whatever is wrong, the key is what is looked at first."""

    def __init__(self, repository: Repository, key: AdminKey, rejected: Counter) -> None:
        self.repository = repository
        self.key = key
        self._rejected = rejected  # maxpool_rejected_total, where who guesses keys is seen

    def check(self, authorization: str) -> None:
        """Raises Forbidden, Unauthorized."""
        try:
            self.key.check(authorization)
        except MaxpoolError as error:
            self._rejected.labels(error.reason).inc()
            raise

    async def load(self, name: str, parameters: Iterable[str]) -> None:
        """Raises UnknownModel, InvalidInput, Unavailable."""
        if brought := [each for each in parameters if each == "config" or each.startswith("file:")]:
            raise InvalidInput(
                f"the parameter {brought[0][:64]!r} brings a model: expected one that is in the models folder already"
            )
        await self.repository.load(name)


def oip_repository(registry: Registry, control: Control) -> APIRouter:
    router = APIRouter(tags=["Open Inference Protocol"])
    key = [Security(HTTPBearer(auto_error=False, description="the key of MAXPOOL_ADMIN_KEY_FILE"))]

    @router.post("/v2/repository/index")
    async def show_index(request: Request) -> list[dict[str, str]]:
        """Every version in the models folder with its state; of {"ready": true} those that answer."""
        only_ready = (await read_object(request)).get("ready", False)
        if not isinstance(only_ready, bool):
            raise InvalidInput('the body is not what is expected: {"ready": true}, {"ready": false} or nothing')
        return index(registry, only_ready=only_ready)

    @router.post("/v2/repository/models/{name}/load", dependencies=key, responses=REFUSALS)
    async def load(request: Request, name: str) -> Response:
        """Looks at the model's folder now. 200 when every worker process serves what is there."""
        control.check(header(request.scope, b"authorization"))
        parameters = (await read_object(request)).get("parameters", {})
        if not isinstance(parameters, dict):
            raise InvalidInput('the body is not what is expected: {"parameters": {…}} or nothing')
        await control.load(name, parameters)
        return Response(media_type="application/json")

    @router.post("/v2/repository/models/{name}/unload", dependencies=key, responses=REFUSALS)
    async def unload(request: Request, name: str) -> Response:
        """200 when no worker process serves it any more. So it stays until it is loaded, or the service starts."""
        control.check(header(request.scope, b"authorization"))
        await read_object(request)
        await control.repository.unload(name)
        return Response(media_type="application/json")

    return router


async def read_object(request: Request) -> dict[str, Any]:
    """The body; {} where there is none. Raises InvalidInput."""
    body = await read_body(request.scope, request.receive, max_bytes=SHORT_BODY)
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not valid JSON ({error}): expected an object or nothing") from None
    if not isinstance(document, dict):
        raise InvalidInput("the body is not what is expected: an object or nothing")
    return document


def index(registry: Registry, *, only_ready: bool) -> list[dict[str, str]]:
    return [index_entry(status) for status in registry.statuses() if not only_ready or status["status"] == "ready"]


def index_entry(status: dict[str, Any]) -> dict[str, str]:
    return {
        "name": status["name"],
        "version": status["version"],
        "state": "READY" if status["status"] == "ready" else "UNAVAILABLE",
        "reason": status.get("reason", ""),
    }
