"""Everything that can go wrong for a caller, with the HTTP status on the class. A class's name is the `reason` that
callers and metrics go by: none is renamed (docs/api.md has them all).

MaxpoolError
  - InvalidInput          400  the input is not what the model takes
    - InputTooLarge       413  a body, picture, sentence or list over its limit
    - UnsupportedInput    415  a content type that no input of this model has
    - HeadTooLarge        431  a request's line and headers over their limits
  - Unauthorized          401  no key, or a wrong one
  - Forbidden             403  not with this key; or with one that nobody has
  - UnknownModel          404
  - NotFound              404  a path that leads nowhere, or a rollout that there is not
  - MethodNotAllowed      405
  - TooSlow               408  the client did not send what it began to, or nothing at all
  - NotOffered            501  part of a protocol that this server leaves out
  - Unavailable           503  ask again after `retry_after` seconds
    - Overloaded          503  the model's queue is full, or too long for the request's deadline
    - TooManyConnections  503  open ones, in all or of one address
    - TooManyRequests     429  of one key, in a second or at once
  - DeadlineExceeded      504  the request's deadline passed before its batch could run
  - InferenceFailed       500  the graph failed on rows that were valid
  - InternalError         500  a bug
Disconnected                   the client went away; there is nobody to answer
ModelRefused                   a model on disk that can not be served; never reaches a caller
SettingsError                  the process can not start as it was told to
"""

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class MaxpoolError(Exception):
    status = 500

    @property
    def reason(self) -> str:
        return type(self).__name__


class InvalidInput(MaxpoolError):
    status = 400


class InputTooLarge(InvalidInput):
    status = 413


class UnsupportedInput(InvalidInput):
    status = 415


class HeadTooLarge(InvalidInput):
    status = 431


class Unauthorized(MaxpoolError):
    status = 401


class Forbidden(MaxpoolError):
    status = 403


class UnknownModel(MaxpoolError):
    status = 404


class NotFound(MaxpoolError):
    status = 404


class MethodNotAllowed(MaxpoolError):
    status = 405


class TooSlow(MaxpoolError):
    status = 408


class NotOffered(MaxpoolError):
    status = 501


class Unavailable(MaxpoolError):
    status = 503

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Overloaded(Unavailable):
    pass


class TooManyConnections(Unavailable):
    pass


class TooManyRequests(Unavailable):
    status = 429


class DeadlineExceeded(MaxpoolError):
    status = 504


class InferenceFailed(MaxpoolError):
    pass


class InternalError(MaxpoolError):
    def __init__(self, message: str = "an error of the server itself, not of your request: its log has the details"):
        super().__init__(message)


class Disconnected(Exception):
    pass


class ModelRefused(Exception):
    pass


class SettingsError(Exception):
    pass


def alone(error: E) -> E:
    """Without what it came through and from. Kept or raised again it is held by a frame that its traceback holds: the
    request that is in there, too, would stay until the garbage collector looks, which is after a thousand of them."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
