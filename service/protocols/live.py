"""How busy each model is, in sums that a page makes rates of: small, and read once a second however many look."""

import asyncio
import time

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.engine.registry import Registry
from service.metrics import Metrics
from service.protocols.statistics import Statistics, summed

SECONDS = 1.0  # between two readings of what all processes wrote down


class Busy(BaseModel):
    name: str
    version: str
    waiting: int = Field(description="rows accepted and not answered yet, now")
    requests: int = Field(description="answered with predictions since the service was started")
    seconds: float = Field(description="that those took, from the whole body to the answer")
    rows: int = Field(description="that went through the graph since the service was started")
    batches: int = Field(description="runs of the graph that they shared")


class Live(BaseModel):
    models: list[Busy]


class Reading:
    """The last one, of this process. Who asks while one is made, waits for that one."""

    def __init__(self, registry: Registry, metrics: Metrics) -> None:
        self._registry = registry
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._at = -SECONDS
        self._last = Live(models=[])

    async def now(self) -> Live:
        async with self._lock:
            if time.monotonic() >= self._at + SECONDS:
                await self._metrics.settle()
                models = [(model.spec.name, model.spec.version) for model in self._registry]
                told = await asyncio.to_thread(summed, self._metrics, models)
                self._last = Live(models=[busy(of_model) for of_model in told])
                self._at = time.monotonic()
            return self._last


def busy(told: Statistics) -> Busy:
    return Busy(
        name=told.name,
        version=told.version,
        waiting=told.waiting,
        requests=told.answered,
        seconds=round(told.answered_seconds, 6),
        rows=told.rows,
        batches=told.batches,
    )


def live(registry: Registry, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["models"])
    reading = Reading(registry, metrics)

    @router.get("/v1/live")
    async def show_live() -> Live:
        """How busy each model is: at most a second old, of all worker processes."""
        return await reading.now()

    return router
