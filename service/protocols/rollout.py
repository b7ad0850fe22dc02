"""Rollouts over HTTP: how one goes, and for the administrator to end it. It begins with a file in the models folder."""

from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer

from service.engine.registry import Registry
from service.engine.rollout import Verdict
from service.protocols.catalog import Failure, RolloutStatus
from service.protocols.oip_repository import REFUSALS, Control
from service.protocols.replies import header

MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": Failure, "description": "no such model, or no rollout of it"}
}
ENDS = {**REFUSALS, **MISSING, 400: {"model": Failure, "description": "the candidate can not be promoted"}}


def rollout(registry: Registry, control: Control) -> APIRouter:
    router = APIRouter(tags=["rollout"])
    key = [Security(HTTPBearer(auto_error=False, description="the key of MAXPOOL_ADMIN_KEY_FILE"))]
    shown: dict[str, Any] = {"response_model": RolloutStatus, "response_model_exclude_none": True}

    @router.get("/v1/models/{name}/rollout", responses=MISSING, **shown)
    async def show_rollout(name: str) -> dict[str, Any]:
        """How the change to another version goes, by the counts of all worker processes."""
        return registry.rollouts.status(name)

    @router.post("/v1/models/{name}/rollout/promote", dependencies=key, responses=ENDS, **shown)
    async def promote(request: Request, name: str) -> dict[str, Any]:
        """The candidate answers from now on, until rollout.json changes or the service starts again."""
        return await settle(request, name, Verdict.PROMOTED)

    @router.post("/v1/models/{name}/rollout/rollback", dependencies=key, responses=ENDS, **shown)
    async def roll_back(request: Request, name: str) -> dict[str, Any]:
        """The candidate gets no requests any more, until rollout.json changes or the service starts again."""
        return await settle(request, name, Verdict.ROLLED_BACK)

    async def settle(request: Request, name: str, verdict: Verdict) -> dict[str, Any]:
        control.check(header(request.scope, b"authorization"))
        await control.repository.settle(name, verdict)
        return registry.rollouts.status(name)

    return router
