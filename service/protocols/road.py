"""What every prediction route does around its own reading and writing: finds the model, reads the body, counts."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

import orjson
from starlette.types import Receive, Scope, Send

from service.engine.model import Model
from service.engine.registry import Registry
from service.engine.schedule import Schedule, never
from service.errors import BUG, Disconnected, InvalidInput, MaxpoolError
from service.metrics import Metrics
from service.protocols.replies import Reply, read_body, send_error, send_reply
from service.settings import Settings

log = logging.getLogger("maxpool")
T = TypeVar("T")
# A body up to this long is read on the event loop, within about a third of a millisecond; a longer one in a thread.
SHORT_BODY = 64 * 1024
# Milliseconds that the client waits, by its own word or that of the proxy before us.
TIMEOUTS = {b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms"}


class Road(ABC):
    """An ASGI object and not a FastAPI endpoint: the machinery around an endpoint costs more than a small net
    (docs/operations.md). The OpenAPI entries are in openapi.py, oip_openapi.py and dialects.py."""

    methods: ClassVar[tuple[str, ...]] = ("POST",)
    task: ClassVar[str | None] = None  # of the models that a path without a model's name can mean

    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics) -> None:
        self._registry = registry
        self._settings = settings
        self._metrics = metrics
        # More than the queue holds could never be admitted, however often it is tried.
        self._max_inputs = min(settings.max_inputs, settings.queue_rows)

    def _find(self, path: dict[str, str]) -> Model:
        """Raises UnknownModel, Unavailable."""
        if "name" in path:
            return self._registry.find(path["name"], path.get("version"))
        return self._registry.default(self._settings.default_models, self.task)

    def _error_body(self, error: MaxpoolError) -> bytes:
        return orjson.dumps({"error": str(error)})

    async def _refuse(self, send: Send, error: MaxpoolError) -> None:
        await send_error(send, error, self._error_body(error))

    async def _somewhere(self, work: Callable[[], T], *, short: bool) -> T:
        """Here on the event loop what is short, anything else in a reader's thread."""
        return work() if short else await asyncio.get_running_loop().run_in_executor(self._registry.readers, work)

    @abstractmethod
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        """Raises MaxpoolError."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        model: Model | None = None
        stages: tuple[float, float, float] | None = None
        arrived = start = time.perf_counter()
        try:
            model = self._find(scope["path_params"])
            body = await read_body(scope, receive, max_bytes=self._settings.max_body_bytes)
            start = time.perf_counter()
            schedule = read_schedule(scope, arrived, start + self._settings.timeout_seconds)
            reply = await self._answer(model, scope, body, schedule)
        except Disconnected:
            if model is not None:
                model.metrics.cancelled.inc()
            return
        except Exception as error:
            status = status_of(error)
            await self._refuse(send, refusal(error, self._metrics, scope["path"]))
        else:
            status = 200
            stages = reply.predictions.stages if reply.predictions else None
            await send_reply(send, 200, reply)
        if model is not None:
            model.metrics.answered(status, time.perf_counter() - start, stages)


def read_schedule(scope: Scope, arrived: float, latest: float) -> Schedule:
    """To be answered by the `latest`, or sooner where the client asks for it: that counts from when its request
    arrived, and so has the time of sending in it. Raises InvalidInput."""
    schedule = Schedule(arrived, latest, gone=scope.get("gone", never))
    for name, value in scope["headers"]:
        if name in TIMEOUTS:
            if not (value.isdigit() and len(value) < 10 and int(value) > 0):
                raise InvalidInput(
                    f"{name.decode()} is {value[:32].decode('latin-1')!r}: expected a whole number of milliseconds"
                )
            schedule.shorten(arrived + int(value) / 1e3)
    return schedule


def status_of(error: Exception) -> int:
    return error.status if isinstance(error, MaxpoolError) else MaxpoolError.status


def refusal(error: Exception, metrics: Metrics, where: str) -> MaxpoolError:
    """What the caller learns of it. Counted, or a bug and in the log.

    Not to be kept in a variable of a function that it came through: its traceback would hold that, and the request's
    body with it, until the garbage collector looks.
    """
    if isinstance(error, MaxpoolError):
        metrics.rejected.labels(type(error).__name__).inc()
        return error
    log.exception("a bug in answering %s", where, exc_info=error)
    return MaxpoolError(BUG)
