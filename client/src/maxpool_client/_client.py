"""Two shells around one Core: they send, load and sleep, and differ by `await`."""

import asyncio
import time
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import httpx2

from ._core import Call, Core, Load, Pause
from ._inputs import Input
from ._types import Model, ModelDetail, Prediction, Refused

T = TypeVar("T")
InputT = TypeVar("InputT", bound=Input)

LOCAL = "http://127.0.0.1:8000"


class Client:
    def __init__(
        self,
        base_url: str = LOCAL,
        *,
        timeout: float | None = 30.0,
        max_retries: int = 2,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._core = Core(base_url, max_retries=max_retries)
        self._http = httpx2.Client(timeout=timeout, transport=transport)

    @overload
    def classify(
        self, model: str, input: Input, *, top_k: int | None = None, version: str | int | None = None
    ) -> Prediction: ...
    @overload
    def classify(
        self,
        model: str,
        input: list[InputT] | tuple[InputT, ...],
        *,
        top_k: int | None = None,
        version: str | int | None = None,
    ) -> list[Prediction | Refused]: ...
    def classify(self, model: str, input: Any, *, top_k: int | None = None, version: str | int | None = None) -> Any:
        """Classify a picture (path, bytes, PIL image) or a sentence, or a list of either, in order."""
        return self._drive(self._core.classify(model, input, top_k=top_k, version=version))

    def models(self) -> list[Model]:
        return self._drive(self._core.models())

    def model(self, name: str) -> ModelDetail:
        return self._drive(self._core.model(name))

    def ready(self) -> bool:
        """Whether the service takes work now. Raises ConnectionFailed where there is none."""
        return self._drive(self._core.ready())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _drive(self, call: Call[T]) -> T:
        answer: object = None
        while True:
            try:
                step = call.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            match step:
                case Pause():
                    time.sleep(step.seconds)
                    answer = None
                case Load():
                    answer = step.run()
                case httpx2.Request():
                    try:
                        answer = self._http.send(step)
                    except httpx2.RequestError as error:
                        answer = error


class AsyncClient:
    def __init__(
        self,
        base_url: str = LOCAL,
        *,
        timeout: float | None = 30.0,
        max_retries: int = 2,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._core = Core(base_url, max_retries=max_retries)
        self._http = httpx2.AsyncClient(timeout=timeout, transport=transport)

    @overload
    async def classify(
        self, model: str, input: Input, *, top_k: int | None = None, version: str | int | None = None
    ) -> Prediction: ...
    @overload
    async def classify(
        self,
        model: str,
        input: list[InputT] | tuple[InputT, ...],
        *,
        top_k: int | None = None,
        version: str | int | None = None,
    ) -> list[Prediction | Refused]: ...
    async def classify(
        self, model: str, input: Any, *, top_k: int | None = None, version: str | int | None = None
    ) -> Any:
        """Classify a picture (path, bytes, PIL image) or a sentence, or a list of either, in order."""
        return await self._drive(self._core.classify(model, input, top_k=top_k, version=version))

    async def models(self) -> list[Model]:
        return await self._drive(self._core.models())

    async def model(self, name: str) -> ModelDetail:
        return await self._drive(self._core.model(name))

    async def ready(self) -> bool:
        """Whether the service takes work now. Raises ConnectionFailed where there is none."""
        return await self._drive(self._core.ready())

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _drive(self, call: Call[T]) -> T:
        answer: object = None
        while True:
            try:
                step = call.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            match step:
                case Pause():
                    await asyncio.sleep(step.seconds)
                    answer = None
                case Load():
                    answer = await asyncio.to_thread(step.run)
                case httpx2.Request():
                    try:
                        answer = await self._http.send(step)
                    except httpx2.RequestError as error:
                        answer = error
