"""Everything a call can raise, beside what Python itself raises for a file that is not there.

MaxpoolError
  - ConnectionFailed         the service could not be reached, or hung up
  - TimedOut                 no answer within `timeout` seconds, or 504
  - UnexpectedAnswer         something answered, but not as Maxpool does
  - StatusError              the service said no
    - InvalidInput           400, 413, 415, 431
    - Unauthorized           401, 403
    - UnknownModel           404
    - Overloaded             429, 503
    - ServerError            500 and up
"""

import math

import httpx2


class MaxpoolError(Exception):
    """The root of the tree: one `except` for all that can go wrong between here and the service.

    try:
        client.classify("lenet5-mnist", "seven.png")
    except maxpool_client.MaxpoolError as error:
        print(error, error.request.url)

    `reason` is the service's own word for what was wrong, which stays when its sentences change (docs/api.md has them
    all); None where the service did not say.
    """

    def __init__(self, message: str, *, request: httpx2.Request, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.reason = reason


class ConnectionFailed(MaxpoolError):
    """The service could not be reached, or hung up before it had answered."""


class TimedOut(MaxpoolError):
    """The service did not answer in time."""


class UnexpectedAnswer(MaxpoolError):
    """The answer is none of Maxpool's: most often base_url points at something else."""


class StatusError(MaxpoolError):
    """The service answered with an error."""

    def __init__(self, message: str, *, status: int, request: httpx2.Request, reason: str | None = None) -> None:
        super().__init__(message, request=request, reason=reason)
        self.status = status


class InvalidInput(StatusError):
    """The input is not what the model takes."""


class Unauthorized(StatusError):
    """The service wants an API key, or another one."""


class UnknownModel(StatusError):
    """The service has no model, or no version, of that name."""


class Overloaded(StatusError):
    """The service takes no more work for now: ask again after `retry_after` seconds, if it said how many."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request: httpx2.Request,
        retry_after: float | None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request=request, reason=reason)
        self.retry_after = retry_after


class ServerError(StatusError):
    """The service failed on an input that may well be valid."""


def failure(error: httpx2.RequestError) -> MaxpoolError:
    """The error to raise for a request that had no answer."""
    host = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    if isinstance(error, httpx2.TimeoutException):
        return TimedOut(f"{host} did not answer in time", request=error.request)
    return ConnectionFailed(f"could not talk to {host}: {error or type(error).__name__}", request=error.request)


def refusal(response: httpx2.Response) -> MaxpoolError:
    """The error to raise for an answer that is not 2xx: by the service's reason, or else by the status."""
    message, reason, status, request = said(response), reason_of(response), response.status_code, response.request
    kind = OF_REASON.get(reason or "") or of_status(status)
    if issubclass(kind, Overloaded):
        return kind(message, status=status, request=request, retry_after=retry_after(response), reason=reason)
    if issubclass(kind, StatusError):
        return kind(message, status=status, request=request, reason=reason)
    return kind(message, request=request, reason=reason)


def of_status(status: int) -> type[MaxpoolError]:
    if status in (400, 413, 415, 431):
        return InvalidInput
    if status in (401, 403):
        return Unauthorized
    if status == 404:
        return UnknownModel
    if status in (429, 503):
        return Overloaded
    if status == 504:
        return TimedOut
    return ServerError if status >= 500 else StatusError


# What the status alone would not tell apart, or not for sure: a proxy in between has statuses of its own.
OF_REASON: dict[str, type[MaxpoolError]] = {
    "InvalidInput": InvalidInput,
    "InputTooLarge": InvalidInput,
    "UnsupportedInput": InvalidInput,
    "HeadTooLarge": InvalidInput,
    "Unauthorized": Unauthorized,
    "Forbidden": Unauthorized,
    "UnknownModel": UnknownModel,
    "NotFound": StatusError,
    "TooManyRequests": Overloaded,
    "Unavailable": Overloaded,
    "Overloaded": Overloaded,
    "TooManyConnections": Overloaded,
    "DeadlineExceeded": TimedOut,
    "NotOffered": ServerError,
    "InferenceFailed": ServerError,
    "InternalError": ServerError,
}


def said(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, LookupError, TypeError):  # a proxy in between answers with a page of HTML
        return f"{response.request.url} answered {response.status_code} {response.reason_phrase}".rstrip()


def reason_of(response: httpx2.Response) -> str | None:
    try:
        reason = response.json()["reason"]
    except (ValueError, LookupError, TypeError):
        return None
    return reason if isinstance(reason, str) else None


def retry_after(response: httpx2.Response) -> float | None:
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):  # the header may also hold a date, which needs two clocks that agree
        return None
    return seconds if 0 <= seconds < math.inf else None
