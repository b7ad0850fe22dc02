"""What there is to ask, and how the process is: models, health, readiness, metrics."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from service.engine.model import Plan
from service.engine.registry import Registry
from service.engine.rollout import Rule
from service.errors import Unavailable
from service.metrics import Metrics
from service.protocols.drift import Drift, DriftReading
from service.settings import Settings
from service.spec import ModelSpec


class RolloutFigures(BaseModel):
    rows: int = Field(description="that both versions have run")
    agreed: int = Field(description="of those, with the same label on top")
    agreement: float | None = Field(None, description="agreed / rows")
    score_shift: float | None = Field(
        None, description="mean difference of the score of the label that the served version has on top"
    )
    latency_ratio: float | None = Field(None, description="candidate_seconds / serve_seconds")
    failures: float | None = Field(None, description="share of the rows that the candidate failed on")
    failed: int = Field(description="rows that the candidate failed on")
    dropped: int = Field(description="rows that were to be compared and were not, as too much was under way")
    answered: int = Field(description="requests that named no version and were answered by the candidate")
    fallbacks: int = Field(description="requests that the candidate was to answer and the served version did")
    worker_ends: int = Field(description="worker processes that ended while the candidate ran")
    serve_seconds: float = Field(description="what those rows take, each as if it ran alone")
    candidate_seconds: float


class RolloutStatus(BaseModel):
    model: str
    state: str = Field(description="running, waiting, promoted, rolled back, or refused with a problem")
    reason: str | None = Field(None, description="of a verdict, or what it waits for")
    problem: str | None = Field(None, description="why rollout.json as it is now is not gone by")
    serve: str | None = None
    candidate: str | None = None
    mode: str | None = None
    share: float | None = None
    rule: Rule | None = None
    figures: RolloutFigures | None = Field(None, description="of all worker processes, since the file changed")


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
    rollout: RolloutStatus | None = Field(None, description="the change to another version, where there is one")
    drift: Drift


class Failure(BaseModel):
    error: str
    reason: str = Field(description="what kind of error, by a name that stays")


def catalog(registry: Registry, metrics: Metrics, settings: Settings) -> APIRouter:
    router = APIRouter()
    reading = DriftReading(metrics)
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Failure, "description": "no such model"}}

    @router.get("/v1/models", response_model=ModelList, response_model_exclude_none=True, tags=["models"])
    async def list_models() -> dict[str, Any]:
        """Every version in the models folder, with its status."""
        return {"models": registry.statuses()}

    @router.get("/v1/models/{name}", response_model=ModelDetails, tags=["models"], responses=missing)
    async def show_model(name: str) -> dict[str, Any]:
        """The spec, labels and status of the version that answers when none is named, and how its rows drift."""
        return await details(registry, reading, name, None)

    @router.get("/v1/models/{name}/versions/{version}", response_model=ModelDetails, tags=["models"], responses=missing)
    async def show_version(name: str, version: str) -> dict[str, Any]:
        """The spec, labels and status of one version, and how its rows drift."""
        return await details(registry, reading, name, version)

    @router.get("/healthz", tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @router.get("/readyz", tags=["health"], responses={503: {"model": Failure, "description": "not ready"}})
    async def ready() -> dict[str, str]:
        """Every model in the folder is loaded and proven."""
        check_ready(registry)
        return {"status": "ready"}

    if {"torchserve", "sagemaker"} & set(settings.spoken):

        @router.get("/ping", tags=["health"], responses={503: {"model": Failure, "description": "not ready"}})
        async def ping() -> dict[str, str]:
            """Readiness, as TorchServe and SageMaker ask for it."""
            check_ready(registry)
            return {"status": "Healthy"}

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


def check_ready(registry: Registry) -> None:
    """Raises Unavailable."""
    if registry.ready:
        return
    if registry.draining:
        reason = "the server is about to stop: send requests elsewhere"
    elif registry.refused:
        refused = ", ".join(f"{r.name} version {r.version}" for r in registry.refused)
        reason = f"not served: {refused}; GET /v1/models says why"
    else:
        reason = "the models folder has no models, or none that is loaded"
    raise Unavailable(reason, retry_after=5)


async def details(registry: Registry, reading: DriftReading, name: str, version: str | None) -> dict[str, Any]:
    model = registry.find(name, version)
    drift = await reading.of(model)
    told = {**model.status(), "labels": list(model.spec.labels), "spec": model.spec, "drift": drift}
    return {**told, "rollout": registry.rollouts.status(name)} if name in registry.state.rollouts else told
