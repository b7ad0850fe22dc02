"""The Open Inference Protocol over gRPC: what each call of oip.proto answers. The answers are those of the HTTP routes.

bytes -> *read_message* -> message -> *read_infer* -> inputs -> model -> scores -> *write_infer* -> message -> bytes
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import grpc

from service.engine.model import Model
from service.engine.registry import Registry
from service.engine.schedule import Schedule, within
from service.errors import MaxpoolError, Unavailable, UnknownModel
from service.metrics import Metrics
from service.protocols.oip import SHORT_ANSWER, scores_of
from service.protocols.oip_catalog import (
    configuration,
    gather_statistics,
    metadata,
    served,
    server_metadata,
)
from service.protocols.oip_grpc_handlers import Answer, Context, Fields, left_out, refuse, serialized, unary
from service.protocols.oip_grpc_infer import read_infer, write_infer
from service.protocols.oip_messages import SERVICE, Message, message_class, read_message, rpcs
from service.protocols.oip_repository import Control, index
from service.protocols.oip_request import InferRequest, input_name
from service.protocols.road import SHORT_BODY, refusal, status_of
from service.settings import Settings
from service.spec import ImageInput

T = TypeVar("T")
SHORT_MESSAGE = 1024 * 1024  # bytes taken apart on the event loop: of pixels a copy, within a fifth of a millisecond
STOPPING = "the server is being stopped: ask again"
AT_ONCE = 32  # requests of one stream that are worked on together
MEMORY = "shared memory is not offered: send the data in the request"
LEFT_OUT = {
    **{
        f"{kind}SharedMemory{call}": MEMORY
        for kind in ("System", "Cuda")
        for call in ("Status", "Register", "Unregister")
    },
    "TraceSetting": "traces are not offered: GET /metrics over HTTP has the times of each stage",
    "LogSettings": "the log is set by MAXPOOL_LOG_LEVEL when the service starts",
}


class InferenceService:
    """Used from the event loop's thread only."""

    def __init__(self, registry: Registry, control: Control, settings: Settings, metrics: Metrics) -> None:
        self._registry = registry
        self._control = control
        self._settings = settings
        self._metrics = metrics
        self._max_inputs = min(settings.max_inputs, settings.queue_rows)
        self._streams: set[asyncio.Task[None]] = set()
        self._stopping = False

    def handlers(self) -> grpc.GenericRpcHandler:
        answers: dict[str, Answer] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelConfig": self._model_config,
            "ModelStatistics": self._model_statistics,
            "RepositoryIndex": self._repository_index,
        }
        for_the_administrator: dict[str, Answer] = {
            "RepositoryModelLoad": self._repository_load,
            "RepositoryModelUnload": self._repository_unload,
        }
        handlers = {rpc.name: unary(rpc, answers[rpc.name]) for rpc in rpcs() if rpc.name in answers}
        for rpc in rpcs():
            if rpc.name in for_the_administrator:
                handlers[rpc.name] = unary(rpc, for_the_administrator[rpc.name], self._admit)
        handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self._infer)
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream_infer)
        for name, reason in LEFT_OUT.items():
            handlers[name] = left_out(reason)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def stop(self) -> None:
        """What is under way is answered, what comes is refused. Streams are read no further: they would else be open
        as long as their clients like."""
        self._stopping = True
        for reading in self._streams:
            reading.cancel()

    async def _infer(self, body: bytes, context: Context) -> bytes:
        if self._stopping:
            return refuse(context, Unavailable(STOPPING))
        try:
            schedule = self._schedule(context)
            return serialized(await self._answer(await self._read(body), len(body), schedule))
        except MaxpoolError as error:
            return refuse(context, error)

    def _schedule(self, context: Context) -> Schedule:
        """From now on, the least of the call's own deadline and what the service gives a request."""
        schedule = within(self._settings.timeout_seconds)
        seconds: float | None = context.time_remaining()
        if seconds is not None:
            schedule.shorten(schedule.arrived + seconds)
        return schedule

    async def _read(self, body: bytes) -> Message:
        """Raises MaxpoolError."""
        kind = message_class("ModelInferRequest")
        try:
            if len(body) <= SHORT_MESSAGE:
                return read_message(kind, body)
            return await self._beside(lambda: read_message(kind, body))
        except Exception as error:
            raise refusal(error, self._metrics, "ModelInfer") from None

    async def _answer(self, message: Message, length: int, schedule: Schedule) -> Message:
        """Counted as the routes are. Raises MaxpoolError."""
        model: Model | None = None
        start = time.perf_counter()
        try:
            model = self._registry.find(message.model_name, message.model_version or None)
            response, stages = await self._predict(model, message, length, schedule)
        except asyncio.CancelledError:  # by the client
            if model is not None:
                model.metrics.cancelled.inc()
            raise
        except Exception as error:
            if model is not None:
                model.metrics.answered(status_of(error), time.perf_counter() - start)
            raise refusal(error, self._metrics, "ModelInfer") from None
        model.metrics.answered(200, time.perf_counter() - start, stages)
        return response

    async def _predict(
        self, model: Model, message: Message, length: int, schedule: Schedule
    ) -> tuple[Message, tuple[float, float, float]]:
        """The response, and the seconds of its stages."""
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

        response = write() if scores.size <= SHORT_ANSWER else await self._beside(write)
        return response, predictions.stages

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._registry.readers, work)

    async def _stream_infer(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answers in the order of the requests; one that fails does not end the stream."""
        under_way: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AT_ONCE)

        async def read() -> None:
            try:
                async for body in requests:
                    await under_way.put(asyncio.create_task(self._streamed(body, self._schedule(context))))
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
            refuse(context, Unavailable(STOPPING))

    async def _streamed(self, body: bytes, schedule: Schedule) -> bytes:
        kind = message_class("ModelStreamInferResponse")
        try:
            message = await self._read(body)
        except MaxpoolError as error:
            return serialized(kind(error_message=str(error)))
        try:
            return serialized(kind(infer_response=await self._answer(message, len(body), schedule)))
        except MaxpoolError as error:
            return serialized(kind(error_message=str(error), infer_response={"id": message.id}))

    async def _server_live(self, request: Message) -> Fields:
        return {"live": True}

    async def _server_ready(self, request: Message) -> Fields:
        return {"ready": self._registry.ready and not self._stopping}

    async def _server_metadata(self, request: Message) -> Fields:
        return server_metadata()

    async def _model_ready(self, request: Message) -> Fields:
        """Triton answers false where HTTP has 404 and 503."""
        try:
            self._registry.find(request.name, request.version or None)
        except (UnknownModel, Unavailable):
            return {"ready": False}
        return {"ready": True}

    async def _model_metadata(self, request: Message) -> Fields:
        return metadata(self._registry, request.name, request.version or None)

    async def _model_config(self, request: Message) -> Fields:
        model = self._registry.find(request.name, request.version or None)
        return {"config": configuration(model, max_rows=self._max_inputs)}

    async def _model_statistics(self, request: Message) -> Fields:
        wanted = served(self._registry, request.name or None, request.version or None)
        return await gather_statistics(self._metrics, wanted)

    async def _repository_index(self, request: Message) -> Fields:
        return {"models": index(self._registry, only_ready=request.ready)}

    def _admit(self, context: Context) -> None:
        """Raises Forbidden, Unauthorized."""
        self._control.key.check(dict(context.invocation_metadata() or ()).get("authorization", ""))

    async def _repository_load(self, request: Message) -> Fields:
        await self._control.load(request.model_name, request.parameters)
        return {}

    async def _repository_unload(self, request: Message) -> Fields:
        await self._control.repository.unload(request.model_name)
        return {}


def has_pixels_alone(model: Model, message: Message, length: int) -> bool:
    """Beside little else: they are not copied, however many they are, as sentences and encoded pictures would be."""
    if not isinstance(model.spec.input, ImageInput) or any(tensor.datatype != "UINT8" for tensor in message.inputs):
        return False
    return length - sum(map(len, message.raw_input_contents)) <= SHORT_BODY
