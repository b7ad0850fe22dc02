"""AsyncClient, the other shell around Core: as Client, with `await`."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import httpx2

from ._client import CONCURRENCY, LIMITS, LOCAL, MAX_RETRIES, PATIENCE, TIMEOUT
from ._core import Call, Core, Load
from ._inputs import Input
from ._inspection import Inspection, query
from ._progress import Progress
from ._retries import Pause
from ._stream import END, Begin, Emit, Finish, Pull, Stream, known_length, one_by_one, stream
from ._types import Health, Model, ModelDetail, Prediction, Refused

T = TypeVar("T")
InputT = TypeVar("InputT", bound=Input)


class AsyncClient:
    """As Client, with `await`."""

    def __init__(
        self,
        base_url: str = LOCAL,
        *,
        api_key: str | None = None,
        timeout: float | None = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        api_key = api_key or os.environ.get("MAXPOOL_API_KEY")
        self._core = Core(base_url, timeout=timeout, max_retries=max_retries, api_key=api_key)
        self._http = httpx2.AsyncClient(timeout=timeout, limits=LIMITS, transport=transport)

    @overload
    async def classify(
        self,
        model: str,
        input: list[InputT] | tuple[InputT, ...],
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> list[Prediction | Refused]: ...
    @overload
    async def classify(
        self,
        model: str,
        input: Input,
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> Prediction: ...
    async def classify(
        self,
        model: str,
        input: Any,
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Classify a picture (path, bytes, open file, PIL image, numpy array) or a sentence, or a list of either, in
        order. `timeout` is the client's if not given."""
        return await self._drive(self._core.classify(model, input, top_k=top_k, version=version, timeout=timeout))

    def classify_many(
        self,
        model: str,
        inputs: AsyncIterable[Any] | Iterable[Any] | Input,
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
        patience: float = PATIENCE,
        concurrency: int = CONCURRENCY,
        progress: bool = False,
    ) -> AsyncGenerator[tuple[Any, Prediction | Refused], None]:
        """Each input of a folder, a pattern or any iterable, async ones too, with its answer, in order and in constant
        memory.

        A bad input is Refused and the next one follows. A service that is gone or busy is waited for up to `patience`
        seconds, after which ConnectionFailed or Overloaded is raised; `timeout` is of each request.
        """
        bar = Progress(known_length(one_by_one(inputs))) if progress else None
        call = stream(
            self._core,
            model,
            top_k=top_k,
            version=version,
            timeout=timeout,
            patience=patience,
            concurrency=concurrency,
            progress=bar,
        )
        return self._stream(call, one_by_one(inputs), bar)

    async def inspect(
        self,
        model: str,
        input: Input,
        *,
        target: str | int | None = None,
        layers: str | Sequence[str] = "summary",
        channels: tuple[int, int] | None = None,
        methods: str | Sequence[str] = (),
        palette: str = "light",
        scale: str = "layer",
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> Inspection:
        """What the layers made of one input, and where the answer came from. `layers`: summary, none, or ids, each with
        its sheet of maps; `methods`: of cam, switches, filters, words and occlusion, or all; `target`: a label or index
        to explain, the best if not given."""
        asked = query(target=target, layers=layers, channels=channels, methods=methods, palette=palette, scale=scale)
        return await self._drive(self._core.look(model, input, asked, version=version, timeout=timeout))

    async def activations(
        self,
        model: str,
        input: Input,
        layers: str | Sequence[str],
        *,
        channels: tuple[int, int] | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """The arrays of these layers, as numpy.load(io.BytesIO(…)) reads them."""
        asked = query(layers=layers, channels=channels, format="npz")
        return await self._drive(self._core.arrays(model, input, asked, version=version, timeout=timeout))

    async def models(self) -> list[Model]:
        return await self._drive(self._core.models())

    async def model(self, name: str, *, version: str | int | None = None) -> ModelDetail:
        return await self._drive(self._core.model(name, version))

    async def health(self) -> Health:
        """Whether the service takes work now. Raises ConnectionFailed where there is none."""
        return await self._drive(self._core.health())

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

    async def _stream(
        self, call: Stream, inputs: Any, progress: Progress | None
    ) -> AsyncGenerator[tuple[Any, Prediction | Refused], None]:
        pull = puller(inputs)
        under_way: set[asyncio.Task[Any]] = set()
        answer: Any = None
        try:
            while True:
                try:
                    step = call.send(answer)
                except StopIteration:
                    return
                answer = None
                match step:
                    case Pull():
                        answer = await pull()
                    case Begin():
                        answer = asyncio.create_task(self._drive(step.call))
                        under_way.add(answer)
                    case Finish():
                        under_way.discard(step.under_way)
                        answer = await step.under_way
                    case Emit():
                        for each in step.answers:
                            yield each
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            if progress:
                progress.close()


def puller(inputs: Any) -> Callable[[], Any]:
    """The next input, or END, of an iterable of either kind."""
    if isinstance(inputs, AsyncIterable):
        awaited = aiter(inputs)
        return lambda: anext(awaited, END)
    given = iter(inputs)

    async def pull() -> Any:
        return next(given, END)

    return pull
