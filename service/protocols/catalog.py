"""What there is to ask, and how the process is: models, health, readiness, metrics."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service.engine.model import Plan
from service.engine.registry import Registry, status
from service.metrics import Metrics
from service.settings import Settings
from service.spec import ModelSpec


class ModelStatus(BaseModel):
    name: str
    version: str
    task: str | None = Field(description="null for a model that is not served")
    status: str = Field(description="ready, unloaded, or refused with a reason")
    ready: bool = Field(description="the same, as KServe's first protocol has it")
    provider: str | None = Field(None, description="the execution provider in use")
    plan: Plan | None = Field(None, description="how its batches are run, from what they cost when it was loaded")
    reason: str | None = None


class ModelList(BaseModel):
    models: list[ModelStatus]


class ModelDetails(ModelStatus):
    labels: list[str]
    spec: ModelSpec


class Failure(BaseModel):
    error: str


def catalog(registry: Registry, metrics: Metrics, settings: Settings) -> APIRouter:
    router = APIRouter()
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Failure, "description": "no such model"}}

    @router.get("/v1/models", response_model=ModelList, response_model_exclude_none=True, tags=["models"])
    async def list_models() -> dict[str, Any]:
        """Every version in the models folder, with its status."""
        return {"models": registry.statuses()}

    @router.get("/v1/models/{name}", response_model=ModelDetails, tags=["models"], responses=missing)
    async def show_model(name: str) -> dict[str, Any]:
        """The spec, labels and status of the version that answers when none is named."""
        return details(registry, name, None)

    @router.get("/v1/models/{name}/versions/{version}", response_model=ModelDetails, tags=["models"], responses=missing)
    async def show_version(name: str, version: str) -> dict[str, Any]:
        """The spec, labels and status of one version."""
        return details(registry, name, version)

    @router.get("/healthz", tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @router.get("/readyz", tags=["health"], responses={503: {"model": Failure, "description": "not ready"}})
    async def ready() -> Response:
        """Every model in the folder is loaded and proven."""
        return JSONResponse({"status": "ready"}) if registry.ready else not_ready(registry)

    if {"torchserve", "sagemaker"} & set(settings.spoken):

        @router.get("/ping", tags=["health"], responses={503: {"model": Failure, "description": "not ready"}})
        async def ping() -> Response:
            """Readiness, as TorchServe and SageMaker ask for it."""
            return JSONResponse({"status": "Healthy"}) if registry.ready else not_ready(registry)

    if "kserve" in settings.spoken:

        @router.get("/", tags=["health"])
        async def alive() -> dict[str, str]:
            """The process answers, as KServe's first protocol asks."""
            return {"status": "alive"}

    if settings.health_route:
        router.get(settings.health_route, tags=["health"], name="ready on Vertex AI")(ready)

    @router.get("/metrics", tags=["health"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def show_metrics() -> Response:
        """Prometheus text format."""
        await metrics.settle()
        text = await asyncio.to_thread(metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def not_ready(registry: Registry) -> Response:
    refused = ", ".join(f"{r.name} version {r.version}" for r in registry.refused)
    reason = (
        f"not served: {refused}; GET /v1/models says why"
        if refused
        else "the models folder has no models, or none that is loaded"
    )
    return JSONResponse({"error": reason}, status_code=503, headers={"retry-after": "5"})


def details(registry: Registry, name: str, version: str | None) -> dict[str, Any]:
    model = registry.find(name, version)
    return {**status(model), "labels": list(model.spec.labels), "spec": model.spec}
