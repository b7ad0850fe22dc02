"""Each call as a generator: it yields a Step, is sent what came of it, and returns the result.

Nothing here waits, reads or sends, so retries, splitting and parsing are written once, for Client and AsyncClient.
"""

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import httpx2

from ._errors import InvalidInput, UnexpectedAnswer, failure, refusal, retry_after
from ._inputs import Input, Source, load, recognise
from ._types import Model, ModelDetail, Prediction, Refused, parse_answers, parse_model, parse_models

T = TypeVar("T")

MAX_INPUTS = 64  # in one request
FIRST_PAUSE = 0.25  # seconds
LONGEST_PAUSE = 8.0
LONGEST_WAIT = 60.0  # a service that asks for more is not waited for
RETRIED_STATUSES = (429, 502, 503, 504)
RETRIED_ERRORS = (httpx2.NetworkError, httpx2.RemoteProtocolError)


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Load:
    """Read the files and encode the images: slow enough to keep off an event loop."""

    sources: Sequence[Source]

    def run(self) -> list[bytes | str]:
        return [load(source) for source in self.sources]


Step: TypeAlias = httpx2.Request | Load | Pause
# What a step is answered with depends on the step: a Response or a RequestError, loaded inputs, or None.
Call: TypeAlias = Generator[Step, Any, T]


class Core:
    def __init__(self, base_url: str, *, max_retries: int, jitter: Callable[[], float] = random.random) -> None:
        try:
            url = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"base_url is {base_url!r}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"base_url is {base_url!r}: expected http://host:port or https://host")
        if max_retries < 0:
            raise ValueError(f"max_retries is {max_retries}: expected 0 or more")
        self._base_url = base_url.rstrip("/")
        self._max_retries = max_retries
        self._jitter = jitter

    def classify(
        self,
        model: str,
        given: Input | list[Input] | tuple[Input, ...],
        *,
        top_k: int | None,
        version: str | int | None,
    ) -> Call[Any]:
        """A Prediction for one input; for a list, a list with a Prediction or Refused for each."""
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}: expected 1 or more")
        place = f"/versions/{quote(str(version), safe='')}" if version is not None else ""
        url = httpx2.URL(f"{self._base_url}/v1/models/{quote(model, safe='')}{place}/predict")
        if top_k is not None:
            url = url.copy_set_param("top_k", top_k)

        if not isinstance(given, list | tuple):
            loaded = yield Load([recognise(given)])
            return (yield from self._predict(single(url, loaded[0]), 1))[0]

        sources = [recognise(one) for one in given]
        if len({isinstance(source, str) for source in sources}) > 1:
            raise ValueError("the list has both pictures and sentences: no model takes both")
        answers: list[Prediction | Refused] = []
        for start in range(0, len(sources), MAX_INPUTS):
            loaded = yield Load(sources[start : start + MAX_INPUTS])
            answers += yield from self._predict_many(url, loaded)
        return answers

    def models(self) -> Call[list[Model]]:
        response = yield from self._send(httpx2.Request("GET", f"{self._base_url}/v1/models", headers=HEADERS))
        return parsed(response, parse_models)

    def model(self, name: str) -> Call[ModelDetail]:
        url = f"{self._base_url}/v1/models/{quote(name, safe='')}"
        response = yield from self._send(httpx2.Request("GET", url, headers=HEADERS))
        return parsed(response, parse_model)

    def ready(self) -> Call[bool]:
        # One look, no retries: who asks whether it is ready wants to know about now.
        answer = yield httpx2.Request("GET", f"{self._base_url}/readyz", headers=HEADERS)
        if isinstance(answer, httpx2.RequestError):
            raise failure(answer) from answer
        if answer.is_success or answer.status_code == 503:
            return bool(answer.is_success)
        raise refusal(answer)

    def _predict_many(self, url: httpx2.URL, loaded: list[Any]) -> Call[list[Prediction | Refused]]:
        try:
            return (yield from self._predict(several(url, loaded), len(loaded)))
        except InvalidInput as error:
            # The service answers a lone bad input with an error: in a list it takes its place like any other.
            if len(loaded) == 1 and error.status != 415:
                return [Refused(error=error.message, code=error.status)]
            if len(loaded) == 1 or error.status != 413:
                raise
        half = len(loaded) // 2  # too large together is not too large apart
        first = yield from self._predict_many(url, loaded[:half])
        return first + (yield from self._predict_many(url, loaded[half:]))

    def _predict(self, request: httpx2.Request, count: int) -> Call[list[Prediction | Refused]]:
        response = yield from self._send(request)
        answers = parsed(response, parse_answers)
        if len(answers) != count:
            raise UnexpectedAnswer(f"{count} inputs were sent, {len(answers)} answered", request=request)
        return answers

    def _send(self, request: httpx2.Request) -> Call[httpx2.Response]:
        for attempt in range(self._max_retries + 1):
            answer: httpx2.Response | httpx2.RequestError = yield request
            pause = self._pause(answer, attempt)
            if pause is None or attempt == self._max_retries:
                break
            yield pause
        if isinstance(answer, httpx2.RequestError):
            raise failure(answer) from answer
        if not answer.is_success:
            raise refusal(answer)
        return answer

    def _pause(self, answer: httpx2.Response | httpx2.RequestError, attempt: int) -> Pause | None:
        """How long to wait before asking again; None when that would not help."""
        backoff = min(FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE) * (1 - self._jitter() / 2)
        if isinstance(answer, httpx2.RequestError):
            return Pause(backoff) if isinstance(answer, RETRIED_ERRORS) else None
        if answer.status_code not in RETRIED_STATUSES:
            return None
        # On top of what was asked for, or all who were turned away come back at the same moment.
        asked = retry_after(answer) or 0.0
        return Pause(asked + backoff) if asked <= LONGEST_WAIT else None


HEADERS = {"accept": "application/json", "user-agent": "maxpool-client"}


def single(url: httpx2.URL, loaded: bytes | str) -> httpx2.Request:
    """The fast road: the picture or sentence is the body."""
    kind = "text/plain; charset=utf-8" if isinstance(loaded, str) else "application/octet-stream"
    return httpx2.Request("POST", url, content=loaded, headers={**HEADERS, "content-type": kind})


def several(url: httpx2.URL, loaded: Sequence[Any]) -> httpx2.Request:
    if isinstance(loaded[0], str):
        return httpx2.Request("POST", url, json={"inputs": loaded}, headers=HEADERS)
    files = [("inputs", (str(place), encoded, "application/octet-stream")) for place, encoded in enumerate(loaded)]
    return httpx2.Request("POST", url, files=files, headers=HEADERS)


def parsed(response: httpx2.Response, parse: Callable[[httpx2.Response], T]) -> T:
    try:
        return parse(response)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnexpectedAnswer(
            f"{response.request.url} did not answer as Maxpool does: is base_url right?", request=response.request
        ) from error
