"""The Open Inference Protocol but for infer and the model repository: health, metadata, statistics."""

import asyncio
from typing import Any

from fastapi import APIRouter

from service import __version__
from service.engine.model import Model
from service.engine.registry import Registry
from service.metrics import Metrics
from service.protocols.catalog import Failure, check_ready
from service.protocols.oip_request import OUTPUT, input_name
from service.protocols.statistics import statistics
from service.settings import Settings
from service.spec import ImageInput

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "parameters",
    "schedule_policy",
    "statistics",
    "model_repository",
    "model_configuration",
)
PLATFORM = "onnx_onnxv1"
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Failure, "description": "no such model or version"}}


def oip_catalog(registry: Registry, settings: Settings, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["Open Inference Protocol"])

    @router.get("/v2")
    @router.get("/v2/", include_in_schema=False)
    async def show_server() -> dict[str, Any]:
        """Name, version, and the extensions there are."""
        return server_metadata()

    @router.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @router.get("/v2/health/ready", responses={503: {"model": Failure, "description": "not ready"}})
    async def ready() -> dict[str, bool]:
        """Every model in the folder is loaded and proven."""
        check_ready(registry)
        return {"live": True, "ready": True}

    @router.get("/v2/models/stats")
    async def show_all_statistics() -> dict[str, Any]:
        """What every version has done since the service was started."""
        return await gather_statistics(metrics, served(registry))

    @router.get("/v2/models/{name}/stats", responses=MISSING)
    @router.get("/v2/models/{name}/versions/{version}/stats", responses=MISSING)
    async def show_statistics(name: str, version: str | None = None) -> dict[str, Any]:
        """What a model has done since the service was started."""
        return await gather_statistics(metrics, served(registry, name, version))

    @router.get("/v2/models/{name}/ready", responses=MISSING)
    @router.get("/v2/models/{name}/versions/{version}/ready", responses=MISSING)
    async def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        """The model answers."""
        registry.find(name, version)
        return {"name": name, "ready": True}

    @router.get("/v2/models/{name}/config", responses=MISSING)
    @router.get("/v2/models/{name}/versions/{version}/config", responses=MISSING)
    async def show_configuration(name: str, version: str | None = None) -> dict[str, Any]:
        """The signature again, as Triton's tools want it: of pictures without the batch axis, which has a maximum."""
        return configuration(registry.find(name, version), max_rows=min(settings.max_inputs, settings.queue_rows))

    @router.get("/v2/models/{name}", responses=MISSING)
    @router.get("/v2/models/{name}/versions/{version}", responses=MISSING)
    async def show_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        """The signature of the graph; -1 is the batch."""
        return metadata(registry, name, version)

    return router


def served(registry: Registry, name: str | None = None, version: str | None = None) -> list[tuple[str, str]]:
    """Name and version of everything that answers, or of one model, or of that version alone. Raises UnknownModel,
    Unavailable."""
    if name is not None:
        registry.find(name, version)
    keys = [(status["name"], status["version"]) for status in registry.statuses() if status["status"] == "ready"]
    return [key for key in keys if name in (None, key[0]) and version in (None, key[1])]


def server_metadata() -> dict[str, Any]:
    return {"name": "maxpool", "version": __version__, "extensions": EXTENSIONS}


def metadata(registry: Registry, name: str, version: str | None) -> dict[str, Any]:
    """Raises UnknownModel, Unavailable."""
    model = registry.find(name, version)
    datatype, row = signature(model)
    return {
        "name": model.spec.name,
        "versions": [each for _, each in served(registry, name)],
        "platform": PLATFORM,
        "inputs": [{"name": input_name(model.spec.input), "datatype": datatype, "shape": [-1, *row]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, len(model.spec.labels)]}],
    }


async def gather_statistics(metrics: Metrics, models: list[tuple[str, str]]) -> dict[str, Any]:
    await metrics.settle()
    return {"model_stats": await asyncio.to_thread(statistics, metrics, models)}


def configuration(model: Model, *, max_rows: int) -> dict[str, Any]:
    datatype, row = signature(model)
    kind = "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
    # Triton's rule takes the batch axis off both sides, and a sentence has no other: 0 says that shapes are whole.
    batch = [] if row else [-1]
    return {
        "name": model.spec.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": max_rows if row else 0,
        "input": [{"name": input_name(model.spec.input), "data_type": kind, "dims": [*batch, *row]}],
        "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [*batch, len(model.spec.labels)]}],
        "dynamic_batching": {},
    }


def signature(model: Model) -> tuple[str, list[int]]:
    """Datatype and shape of a row, as the graph has them."""
    given = model.spec.input
    return ("UINT8", [given.height, given.width, given.channels]) if isinstance(given, ImageInput) else ("BYTES", [])
