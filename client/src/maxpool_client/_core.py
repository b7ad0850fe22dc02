"""Each call as a generator: it yields a Step, is sent what came of it, and returns the result.

Nothing here waits, reads or sends, so retries, splitting and parsing are written once, for Client and AsyncClient.
"""

import itertools
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import httpx2

from ._errors import InvalidInput, UnexpectedAnswer, failure, refusal, said
from ._inputs import Input, load, recognise
from ._inspection import Inspection, parse_inspection
from ._requests import pictures, sentences, single
from ._retries import Budget, Deadline, Pause, pause_before_retry
from ._types import Health, Model, ModelDetail, Prediction, Refused, parse_answers, parse_model, parse_models

T = TypeVar("T")

MAX_INPUTS = 64  # in one request


@dataclass(frozen=True)
class Load:
    """Read the files and encode the images: slow enough to keep off an event loop."""

    sources: Sequence[Any]
    load: Callable[[Any], Any] = load

    def run(self) -> list[Any]:
        return [self.load(source) for source in self.sources]


Step: TypeAlias = httpx2.Request | Load | Pause
# What a step is answered with depends on the step: a Response or a RequestError, loaded inputs, or None.
Call: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True)
class Limits:
    """Of one call. `timeout` is of the whole of it, retries and all; where there is `patience`, of each try, and a
    service that is gone or busy is waited for so long: a long stream outlasts a restart."""

    timeout: float | None  # seconds; None for none
    patience: float | None = None


class Core:
    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | None = None,
        max_retries: int,
        api_key: str | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            url = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"base_url is {base_url!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"base_url is {base_url!r}: expected http://host:port or https://host")
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}: expected 0 or more")
        self.headers = {"accept": "application/json", "user-agent": "maxpool-client"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise ValueError("api_key has characters that no header can carry: expected printable ASCII")
            self.headers["authorization"] = f"Bearer {api_key}"
        self._base_url = base_url.rstrip("/")
        self._timeout = positive("timeout", timeout)
        self._max_retries = max_retries
        self._budget = Budget()
        self._jitter = jitter
        self.clock = clock

    def limits(self, timeout: float | None, patience: float | None = None) -> Limits:
        """Raises ValueError for a timeout that is none."""
        return Limits(self._timeout if timeout is None else positive("timeout", timeout), patience)

    def predict_url(self, model: str, *, version: str | int | None, top_k: int | None) -> httpx2.URL:
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}: expected 1 or more")
        url = httpx2.URL(f"{self._model_url(model, version)}/predict")
        return url if top_k is None else url.copy_set_param("top_k", top_k)

    def classify(
        self,
        model: str,
        given: Input | list[Input] | tuple[Input, ...],
        *,
        top_k: int | None,
        version: str | int | None,
        timeout: float | None,
    ) -> Call[Any]:
        """A Prediction for one input; for a list, a list with a Prediction or Refused for each."""
        url = self.predict_url(model, version=version, top_k=top_k)
        limits = self.limits(timeout)
        if not isinstance(given, list | tuple):
            loaded = yield Load([recognise(given)])
            return (yield from self.predict(single(url, loaded[0], self.headers), 1, limits))[0]

        sources = [recognise(one) for one in given]
        if len({isinstance(source, str) for source in sources}) > 1:
            raise ValueError("the list has both pictures and sentences: no model takes both")
        answers: list[Prediction | Refused] = []
        for start in range(0, len(sources), MAX_INPUTS):
            loaded = yield Load(sources[start : start + MAX_INPUTS])
            answers += yield from self._predict_many(url, loaded, limits)
        return answers

    def inspect(
        self,
        model: str,
        given: Input,
        asked: Mapping[str, str],
        *,
        version: str | int | None,
        timeout: float | None,
    ) -> Call[httpx2.Response]:
        if isinstance(given, list | tuple):
            raise TypeError("one input at a time is looked into, not a list")
        url = httpx2.URL(f"{self._model_url(model, version)}/inspect").copy_merge_params(dict(asked))
        loaded = yield Load([recognise(given)])
        return (yield from self._send(single(url, loaded[0], self.headers), self.limits(timeout)))

    def look(self, *of_inspect: Any, **named: Any) -> Call[Inspection]:
        return parsed((yield from self.inspect(*of_inspect, **named)), parse_inspection)

    def arrays(self, *of_inspect: Any, **named: Any) -> Call[bytes]:
        response = yield from self.inspect(*of_inspect, **named)
        return response.content

    def models(self) -> Call[list[Model]]:
        request = httpx2.Request("GET", f"{self._base_url}/v1/models", headers=self.headers)
        return parsed((yield from self._send(request, self.limits(None))), parse_models)

    def model(self, name: str, version: str | int | None = None, limits: Limits | None = None) -> Call[ModelDetail]:
        request = httpx2.Request("GET", self._model_url(name, version), headers=self.headers)
        return parsed((yield from self._send(request, limits or self.limits(None))), parse_model)

    def health(self) -> Call[Health]:
        # One look, no retries: who asks how it is wants to know about now.
        request = httpx2.Request("GET", f"{self._base_url}/readyz", headers=self.headers)
        Deadline(self._timeout, self.clock).stamp(request)
        answer = yield request
        if isinstance(answer, httpx2.RequestError):
            raise failure(answer) from answer
        if answer.status_code == 503:
            return Health(ready=False, reason=said(answer))
        if answer.is_success:
            return Health(ready=True)
        raise refusal(answer)

    def predict(self, request: httpx2.Request, count: int, limits: Limits) -> Call[list[Prediction | Refused]]:
        answers = parsed((yield from self._send(request, limits)), parse_answers)
        if len(answers) != count:
            raise UnexpectedAnswer(f"{count} inputs were sent, {len(answers)} answered", request=request)
        return answers

    def _predict_many(self, url: httpx2.URL, loaded: list[Any], limits: Limits) -> Call[list[Prediction | Refused]]:
        several = sentences if isinstance(loaded[0], str) else pictures
        try:
            return (yield from self.predict(several(url, loaded, self.headers), len(loaded), limits))
        except InvalidInput as error:
            # The service answers a lone bad input with an error: in a list it takes its place like any other.
            if len(loaded) == 1 and error.status != 415:
                return [Refused(error=error.message, code=error.status, reason=error.reason)]
            if len(loaded) == 1 or error.status != 413:
                raise
        half = len(loaded) // 2  # too large together is not too large apart
        first = yield from self._predict_many(url, loaded[:half], limits)
        return first + (yield from self._predict_many(url, loaded[half:], limits))

    def _send(self, request: httpx2.Request, limits: Limits) -> Call[httpx2.Response]:
        deadline = Deadline(limits.timeout, self.clock)
        for attempt in itertools.count():
            if limits.patience is not None:
                deadline = Deadline(limits.timeout, self.clock)
            deadline.stamp(request)
            answer: httpx2.Response | httpx2.RequestError = yield request
            if isinstance(answer, httpx2.Response) and answer.is_success:
                self._budget.earn()
                return answer
            if attempt == 0:  # only now is anything amiss
                patience = Deadline(limits.patience, self.clock)
            pause = pause_before_retry(answer, attempt, self._jitter)
            if pause is None:
                break
            if limits.patience is not None:
                # A 504 is this request's timeout, not an outage to be waited out.
                if pause.seconds >= patience.left() or getattr(answer, "status_code", None) == 504:
                    break
            # Who must be answered by then is told what happened now, not after a pause that leaves no time.
            elif attempt >= self._max_retries or pause.seconds >= deadline.left() or not self._budget.spend():
                break
            yield pause
        if isinstance(answer, httpx2.RequestError):
            raise failure(answer) from answer
        raise refusal(answer)

    def _model_url(self, name: str, version: str | int | None) -> str:
        place = f"/versions/{quote(str(version), safe='')}" if version is not None else ""
        return f"{self._base_url}/v1/models/{quote(name, safe='')}{place}"


def positive(name: str, seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:
        raise ValueError(f"{name} is {seconds}: expected more than 0 seconds")
    return seconds


def parsed(response: httpx2.Response, parse: Callable[[httpx2.Response], T]) -> T:
    try:
        return parse(response)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnexpectedAnswer(
            f"{response.request.url} did not answer as Maxpool does: is base_url right?", request=response.request
        ) from error
