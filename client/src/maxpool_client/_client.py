"""Client, a shell around Core: it sends, loads, sleeps and keeps calls under way. AsyncClient differs by `await`."""

import os
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import httpx2

from ._core import Call, Core, Load
from ._inputs import Input
from ._inspection import Inspection, query
from ._progress import Progress
from ._retries import Pause
from ._stream import END, Begin, Emit, Finish, Pull, Stream, known_length, one_by_one, stream
from ._types import Health, Model, ModelDetail, Prediction, Refused

T = TypeVar("T")
InputT = TypeVar("InputT", bound=Input)

LOCAL = "http://127.0.0.1:8000"
TIMEOUT = 30.0  # seconds
PATIENCE = 60.0
CONCURRENCY = 6  # requests
MAX_RETRIES = 2
# As many connections as calls are under way: httpx2 would let the hundred-first wait.
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


class Client:
    """`timeout` is of a whole call, retries and all, in seconds; None for ever. `api_key` is MAXPOOL_API_KEY's if not
    given."""

    def __init__(
        self,
        base_url: str = LOCAL,
        *,
        api_key: str | None = None,
        timeout: float | None = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        api_key = api_key or os.environ.get("MAXPOOL_API_KEY")
        self._core = Core(base_url, timeout=timeout, max_retries=max_retries, api_key=api_key)
        self._http = httpx2.Client(timeout=timeout, limits=LIMITS, transport=transport)

    @overload
    def classify(
        self,
        model: str,
        input: list[InputT] | tuple[InputT, ...],
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> list[Prediction | Refused]: ...
    @overload
    def classify(
        self,
        model: str,
        input: Input,
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
    ) -> Prediction: ...
    def classify(
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
        return self._drive(self._core.classify(model, input, top_k=top_k, version=version, timeout=timeout))

    def classify_many(
        self,
        model: str,
        inputs: Iterable[Any] | Input,
        *,
        top_k: int | None = None,
        version: str | int | None = None,
        timeout: float | None = None,
        patience: float = PATIENCE,
        concurrency: int = CONCURRENCY,
        progress: bool = False,
    ) -> Generator[tuple[Any, Prediction | Refused], None, None]:
        """Each input of a folder, a pattern or any iterable, with its answer, in order and in constant memory.

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
        return self._stream(call, one_by_one(inputs), concurrency, bar)

    def inspect(
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
        return self._drive(self._core.look(model, input, asked, version=version, timeout=timeout))

    def activations(
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
        return self._drive(self._core.arrays(model, input, asked, version=version, timeout=timeout))

    def models(self) -> list[Model]:
        return self._drive(self._core.models())

    def model(self, name: str, *, version: str | int | None = None) -> ModelDetail:
        return self._drive(self._core.model(name, version))

    def health(self) -> Health:
        """Whether the service takes work now. Raises ConnectionFailed where there is none."""
        return self._drive(self._core.health())

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _drive(self, call: Call[T], stopped: threading.Event | None = None) -> T:
        answer: object = None
        while True:
            try:
                step = call.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            match step:
                case Pause():
                    if stopped is None:
                        time.sleep(step.seconds)
                    elif stopped.wait(step.seconds):
                        raise CancelledError
                    answer = None
                case Load():
                    answer = step.run()
                case httpx2.Request():
                    try:
                        answer = self._http.send(step)
                    except httpx2.RequestError as error:
                        answer = error

    def _stream(
        self, call: Stream, inputs: Iterable[Any], concurrency: int, progress: Progress | None
    ) -> Generator[tuple[Any, Prediction | Refused], None, None]:
        given = iter(inputs)
        stopped = threading.Event()
        pool = ThreadPoolExecutor(concurrency, "maxpool")
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
                        answer = next(given, END)
                    case Begin():
                        answer = pool.submit(self._drive, step.call, stopped)
                    case Finish():
                        answer = step.under_way.result()
                    case Emit():
                        yield from step.answers
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            if progress:
                progress.close()
