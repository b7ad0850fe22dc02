"""uvicorn --factory benchmarks.faulty:leaking: the service with a fault, which a gate that is worth its name finds."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.engine import model
from service.engine.batcher import Batcher, Inferred, Waiting
from service.engine.model import Model
from service.engine.registry import Registry
from service.inspect import inspector

LEAK = 1024  # bytes a request
PREPARING = 0.1  # seconds


def leaking() -> ASGIApp:
    """Keeps something of every request."""
    app = create_app()
    kept: list[bytearray] = []

    async def leaking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept.append(bytearray(b"x" * LEAK))
        await app(scope, receive, send)

    return leaking


def hoarding() -> ASGIApp:
    """Never gives back a model that another version took the place of."""
    kept: list[Model] = []

    def keep(registry: Registry, of_old: Model) -> None:
        kept.append(of_old)
        of_old.close()

    setattr(Registry, "_let_go", keep)  # noqa: B010
    return create_app()


def hasty() -> ASGIApp:
    """Looks inside nets at the priority at which it serves."""
    setattr(inspector, "step_back", lambda: None)  # noqa: B010
    return create_app()


class Swapping(Batcher):
    def _infer(self, batch: list[Waiting]) -> Inferred:
        inferred = super()._infer(batch)
        inferred.answers[:2] = inferred.answers[:2][::-1]
        return inferred


def swapping() -> ASGIApp:
    """The first two rows of a batch get each other's scores. They are right as long as every batch has one row."""
    setattr(model, "Batcher", Swapping)  # noqa: B010
    return create_app()


class Lazy(Batcher):
    def _infer(self, batch: list[Waiting]) -> Inferred:
        if not hasattr(self, "_prepared"):
            self._prepared = True
            time.sleep(PREPARING)
        return super()._infer(batch)


def lazy() -> ASGIApp:
    """Does at a model's first request what it should have done before it said that it is ready."""
    setattr(model, "Batcher", Lazy)  # noqa: B010
    return create_app()
