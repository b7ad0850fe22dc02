"""The Open Inference Protocol over gRPC: what each call of oip.proto answers. The answers are those of the HTTP routes.

bytes -> *read_message* -> message -> *read_infer* -> inputs -> model -> scores -> *write_infer* -> message -> bytes
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from operator import itemgetter
from typing import TypeVar

import grpc

from service.engine.model import Model, Predictions
from service.engine.registry import Registry
from service.engine.schedule import Schedule
from service.engine.trial import Trial
from service.errors import MaxpoolError, Unavailable
from service.metrics import Metrics
from service.protocols.api_keys import ApiKey, ApiKeys
from service.protocols.oip import SHORT_ANSWER, scores_of
from service.protocols.oip_catalog import server_metadata
from service.protocols.oip_grpc_call import Call, Context, identify
from service.protocols.oip_grpc_catalog import GrpcCatalog
from service.protocols.oip_grpc_handlers import (
    LEFT_OUT,
    Admit,
    Answer,
    Fields,
    authorization,
    left_out,
    name_it,
    refuse,
    serialized,
    unary,
)
from service.protocols.oip_grpc_infer import has_pixels_alone, read_infer, write_infer
from service.protocols.oip_messages import SERVICE, Message, message_class, read_message, rpcs
from service.protocols.oip_repository import Control
from service.protocols.oip_request import InferRequest, input_name
from service.protocols.road import SHORT_BODY, refusal, status_of
from service.requestlog import RequestLog
from service.settings import Settings

T = TypeVar("T")
SHORT_MESSAGE = 1024 * 1024  # bytes taken apart on the event loop: of pixels a copy, within a fifth of a millisecond
STOPPING = "the server is being stopped: ask again"
AT_ONCE = 32  # requests of one stream that are worked on together


class InferenceService:
    """Used from the event loop's thread only."""

    def __init__(
        self,
        registry: Registry,
        control: Control,
        keys: ApiKeys | None,
        settings: Settings,
        metrics: Metrics,
        requests: RequestLog,
    ) -> None:
        self._registry = registry
        self._control = control
        self._keys = keys
        self._settings = settings
        self._metrics = metrics
        self._requests = requests
        self._max_inputs = min(settings.max_inputs, settings.queue_rows)
        self._streams: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.taken_up = 0  # calls of ModelInfer

    def handlers(self) -> grpc.GenericRpcHandler:
        catalog = GrpcCatalog(self._registry, self._control, self._metrics, max_inputs=self._max_inputs)
        answers: dict[str, tuple[Answer, Admit]] = {
            "ServerLive": (self._server_live, nullcontext),
            "ServerReady": (self._server_ready, nullcontext),
            "ServerMetadata": (self._server_metadata, self._admit),
            "ModelReady": (catalog.model_ready, self._admit),
            "ModelMetadata": (catalog.model_metadata, self._admit),
            "ModelConfig": (catalog.model_config, self._admit),
            "ModelStatistics": (catalog.model_statistics, self._admit),
            "RepositoryIndex": (catalog.repository_index, self._admit),
            "RepositoryModelLoad": (catalog.repository_load, self._admit_administrator),
            "RepositoryModelUnload": (catalog.repository_unload, self._admit_administrator),
        }
        handlers = {
            rpc.name: unary(rpc, *answers[rpc.name], requests=self._requests) for rpc in rpcs() if rpc.name in answers
        }
        handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self._infer)
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream_infer)
        handlers |= {name: left_out(name, reason, self._requests) for name, reason in LEFT_OUT.items()}
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def stop(self) -> None:
        """What is under way is answered, what comes is refused. Streams are read no further: they would else be open
        as long as their clients like."""
        self._stopping = True
        for reading in self._streams:
            reading.cancel()

    async def _infer(self, body: bytes, context: Context) -> bytes:
        self.taken_up += 1
        call = Call("ModelInfer", context, self._requests, self._settings.timeout_seconds)
        name_it(context, call.identity)
        try:
            with call.refused_in(body):
                if self._stopping:
                    raise Unavailable(STOPPING)
                with self._admit(context) as key:
                    message = await self._read(body, call)
                    return call.answered(body, serialized(await self._answer(message, len(body), call, key)))
        except MaxpoolError as error:
            return refuse(context, error, call.identity)

    async def _read(self, body: bytes, call: Call) -> Message:
        """Raises MaxpoolError."""
        kind = message_class("ModelInferRequest")
        try:
            if len(body) <= SHORT_MESSAGE:
                return read_message(kind, body)
            return await self._beside(lambda: read_message(kind, body))
        except Exception as error:
            self._metrics.of_none.answered(status_of(error))
            raise refusal(error, self._metrics, "ModelInfer", call.identity.id) from None

    async def _answer(self, message: Message, length: int, call: Call, key: ApiKey | None) -> Message:
        """Counted as the routes are. Raises MaxpoolError."""
        model: Model | None = None
        canary: Trial | None = None  # where the candidate is to answer
        start = time.perf_counter()
        try:
            model = self._registry.find(message.model_name, message.model_version or None)
            if (trial := model.trial) is not None and not message.model_version and trial.draw():
                canary, model = trial, trial.candidate
            call.model = model
            model.metrics.received()
            if key is not None:
                key.check_model(model.spec.name)
            predict = partial(self._predict, message=message, length=length, schedule=call.schedule)
            answered: tuple[Message, Predictions] | None = None
            if canary is not None:
                answered = await canary.attempt(partial(predict, model), itemgetter(1))
                model = call.model = canary.serve if answered is None else model
            response, call.predictions = answered or await predict(model)
        except asyncio.CancelledError:  # by the client
            if model is not None:
                model.metrics.cancelled.inc()
            raise
        except Exception as error:
            counters = model.metrics if model else self._metrics.of_none
            counters.answered(status_of(error), time.perf_counter() - start)
            raise refusal(error, self._metrics, "ModelInfer", call.identity.id) from None
        model.metrics.answered(200, time.perf_counter() - start, call.predictions.stages)
        if trial is not None:
            trial.offer(model, call.predictions)
        return response

    async def _predict(
        self, model: Model, message: Message, length: int, schedule: Schedule
    ) -> tuple[Message, Predictions]:
        given = model.spec.input

        def read() -> InferRequest:
            return read_infer(message, given, max_inputs=self._max_inputs)

        short = length <= SHORT_BODY or has_pixels_alone(model, message, length)
        request = read() if short else await self._beside(read)
        request.reschedule(schedule)
        predictions = await model.predict(request.inputs, schedule)
        scores = scores_of(predictions.answers, input_name(given))

        def write() -> Message:
            return write_infer(model, request, scores)

        return (write() if scores.size <= SHORT_ANSWER else await self._beside(write)), predictions

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._registry.readers, work)

    async def _stream_infer(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answers in the order of the requests; one that fails does not end the stream."""
        identity = identify(context, self._requests)
        named = identity._replace(span=None)  # each request in it has a span of its own
        name_it(context, named)
        try:
            if self._keys is not None:
                with Call("ModelStreamInfer", context, self._requests, identity=identity).refused_in(b""):
                    self._keys.find(authorization(context))
        except MaxpoolError as error:
            refuse(context, error, named)
            return
        under_way: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AT_ONCE)

        async def read() -> None:
            try:
                async for body in requests:
                    seconds = self._settings.timeout_seconds
                    call = Call("ModelStreamInfer", context, self._requests, seconds, identity)
                    await under_way.put(asyncio.create_task(self._streamed(body, context, call)))
            finally:
                await under_way.put(None)

        reading = asyncio.create_task(read())
        self._streams.add(reading)
        reading.add_done_callback(self._streams.discard)
        if self._stopping:
            reading.cancel()
        try:
            while (answer := await under_way.get()) is not None:
                yield await answer
        finally:
            reading.cancel()
            while not under_way.empty():  # the client is gone
                if unwanted := under_way.get_nowait():
                    unwanted.cancel()
        if self._stopping:
            refuse(context, Unavailable(STOPPING), named)

    async def _streamed(self, body: bytes, context: Context, call: Call) -> bytes:
        answer = message_class("ModelStreamInferResponse")
        asked = message_class("ModelInferRequest")()  # until it is read
        try:
            with call.refused_in(body), self._admit(context) as key:
                asked = await self._read(body, call)
                response = await self._answer(asked, len(body), call, key)
                return call.answered(body, serialized(answer(infer_response=response)))
        except MaxpoolError as error:
            return serialized(answer(error_message=str(error), infer_response={"id": asked.id}))

    async def _server_live(self, request: Message) -> Fields:
        return {"live": True}

    async def _server_ready(self, request: Message) -> Fields:
        return {"ready": self._registry.ready and not self._stopping}

    async def _server_metadata(self, request: Message) -> Fields:
        return server_metadata()

    def _admit(self, context: Context) -> AbstractContextManager[ApiKey | None]:
        """Raises Unauthorized, TooManyRequests."""
        return nullcontext() if self._keys is None else self._keys.admit(authorization(context))

    def _admit_administrator(self, context: Context) -> AbstractContextManager[None]:
        """Raises Forbidden, Unauthorized."""
        self._control.check(authorization(context))
        return nullcontext()
