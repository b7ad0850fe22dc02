"""What every prediction route does around its own reading and writing: finds the model, reads the body, counts."""

import asyncio
import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar, TypeVar

from starlette.types import Receive, Scope, Send

from service.engine.model import Model, Predictions
from service.engine.registry import Registry
from service.engine.schedule import Schedule, never
from service.engine.trial import Trial
from service.errors import Disconnected, InternalError, InvalidInput, MaxpoolError, Unavailable, alone
from service.metrics import Metrics
from service.modelmetrics import Counters
from service.protocols.encodings import inflate, is_plain
from service.protocols.replies import PIECE, Reply, error_body, header, read_body, send_error, send_reply
from service.requestid import Identity
from service.requestlog import GONE, Entry, RequestLog
from service.room import Hold, Room
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
    on_trial: ClassVar[bool] = True  # whether a candidate may answer, or be asked the same
    task: ClassVar[str | None] = None  # of the models that a path without a model's name can mean

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        metrics: Metrics,
        requests: RequestLog,
        room: Room,
        *,
        dialect: str,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._metrics = metrics
        self._requests = requests
        self._room = room
        self._dialect = dialect
        self.routes: list[tuple[re.Pattern[str], str]] = []  # its paths, with names for what is in them
        # More than the queue holds could never be admitted, however often it is tried.
        self._max_inputs = min(settings.max_inputs, settings.queue_rows)

    def _find(self, path: dict[str, str]) -> Model:
        """Raises UnknownModel, Unavailable."""
        if "name" in path:
            return self._registry.find(path["name"], path.get("version"))
        return self._registry.default(self._settings.default_models, self.task)

    def _counters(self, model: Model | None) -> Counters:
        return model.metrics if model else self._metrics.of_none

    def error_body(self, error: MaxpoolError) -> bytes:
        return error_body(error)

    async def _refuse(self, send: Send, error: MaxpoolError, identity: Identity) -> int:
        """The bytes of the answer's body."""
        body = self.error_body(error)
        await send_error(send, error, body, identity)
        return len(body)

    def _route(self, path: str) -> str | None:
        return next((route for pattern, route in self.routes if pattern.match(path)), None)

    async def _somewhere(self, work: Callable[[], T], *, short: bool) -> T:
        """Here on the event loop what is short, anything else in a reader's thread."""
        return work() if short else await asyncio.get_running_loop().run_in_executor(self._registry.readers, work)

    async def _plain(self, body: bytes, encoding: str, hold: Hold) -> bytes:
        """Raises UnsupportedInput, InvalidInput, InputTooLarge, Overloaded."""
        if is_plain(encoding):
            return body
        limit = self._settings.max_body_bytes
        inflated = await self._somewhere(lambda: inflate(body, encoding, max_bytes=limit), short=False)
        hold.grow(len(inflated))
        return inflated

    @abstractmethod
    async def _answer(self, model: Model, scope: Scope, body: bytes, schedule: Schedule) -> Reply:
        """Raises MaxpoolError."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        model: Model | None = None
        trial: Trial | None = None
        canary: Trial | None = None  # the same, where the candidate is to answer
        predictions: Predictions | None = None
        reason: str | None = None
        body = b""
        sent = 0
        hold = Hold(self._room)
        arrived = start = time.perf_counter()
        # By the common way it has one; a connection that has to answer itself wants it, too.
        identity = scope.get("identity") or self._requests.ids.identify(scope["headers"])
        scope["identity"] = identity
        try:
            model = self._find(scope["path_params"])
            trial = model.trial if self.on_trial else None
            if trial is not None and "version" not in scope["path_params"] and trial.draw():
                canary, model = trial, trial.candidate
            self._counters(model).received()
            if key := scope.get("key"):
                key.check_model(model.spec.name)
            body = await read_body(scope, receive, max_bytes=self._settings.max_body_bytes, hold=hold.grow)
            start = time.perf_counter()
            schedule = read_schedule(scope, arrived, start + self._settings.timeout_seconds, identity.id)
            plain = await self._plain(body, header(scope, b"content-encoding"), hold)
            reply: Reply | None = None
            if canary is not None:
                reply = await canary.attempt(partial(self._answer, model, scope, plain, schedule), predictions_of)
                model = canary.serve if reply is None else model
            if reply is None:
                reply = await self._answer(model, scope, plain, schedule)
            if len(reply.body) > PIECE:
                hold.grow(len(reply.body))
        except Disconnected as error:
            alone(error)
            # Or the connection itself has answered, in our stead.
            status, reason = scope.get("refused", GONE), Disconnected.__name__
            if status == GONE and model is not None:
                self._counters(model).cancelled.inc()
        except (Exception, asyncio.CancelledError) as error:  # the latter at the end of the grace of a stop
            status, reason = scope.get("refused", status_of(error)), reason_of(error)
            sent = await self._refuse(send, refusal(error, self._metrics, scope["path"], identity.id), identity)
        else:
            status, sent, predictions = 200, len(reply.body), reply.predictions
            await send_reply(send, 200, reply, identity)
        finally:
            if hold.size:
                hold.end()
        seconds = time.perf_counter() - start
        stages = predictions.stages if predictions else None
        if status != GONE:
            self._counters(model).answered(status, seconds, stages)
        if trial is not None and predictions is not None and model is not None:
            trial.offer(model, predictions)
        if (self._requests.on or identity.span) and "refused" not in scope:
            self._requests.add(
                Entry(
                    identity,
                    scope["method"],
                    scope["raw_path"],
                    status,
                    reason,
                    scope["client"],
                    sent,
                    len(body),
                    start - arrived + seconds,
                    self._dialect,
                    model.spec if model else None,
                    len(predictions.answers) if predictions else 0,
                    predictions.batch_rows if predictions else 0,
                    stages,
                    self._route(scope["path"]) if identity.span else None,
                    predictions.began - arrived if predictions else 0.0,
                    predictions.last_run if predictions else 0.0,
                )
            )


def read_schedule(scope: Scope, arrived: float, latest: float, request_id: str) -> Schedule:
    """To be answered by the `latest`, or sooner where the client asks for it: that counts from when its request
    arrived, and so has the time of sending in it. Raises InvalidInput."""
    schedule = Schedule(arrived, latest, request_id=request_id, gone=scope.get("gone", never))
    for name, value in scope["headers"]:
        if name in TIMEOUTS:
            if not (value.isdigit() and len(value) < 10 and int(value) > 0):
                raise InvalidInput(
                    f"{name.decode()} is {value[:32].decode('latin-1')!r}: expected a whole number of milliseconds"
                )
            schedule.shorten(arrived + int(value) / 1e3)
    return schedule


def predictions_of(reply: Reply) -> Predictions | None:
    return reply.predictions


def status_of(error: BaseException) -> int:
    if isinstance(error, asyncio.CancelledError):
        return Unavailable.status
    return error.status if isinstance(error, MaxpoolError) else InternalError.status


def reason_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return Unavailable.__name__
    return error.reason if isinstance(error, MaxpoolError) else InternalError.__name__


def refusal(error: BaseException, metrics: Metrics, where: str, request_id: str) -> MaxpoolError:
    """What the caller learns of it. Counted, or a bug and in the log; then where it came from is forgotten."""
    if isinstance(error, asyncio.CancelledError):
        error = Unavailable("the server stops and can not wait any longer: send the request again")
    if not isinstance(error, MaxpoolError):
        return internal_error(error, where, request_id)
    metrics.rejected.labels(error.reason).inc()
    return alone(with_id(error, request_id) if error.status == 500 else error)


def internal_error(bug: BaseException, where: str, request_id: str) -> MaxpoolError:
    log.error("a bug in answering %s", where, exc_info=bug, extra={"request_id": request_id})
    alone(bug)
    return with_id(InternalError(), request_id)


def with_id(error: MaxpoolError, request_id: str) -> MaxpoolError:
    """Of the request, by which the operator finds what the log has of it."""
    return type(error)(f"{error} (request {request_id})")
