"""A stream of inputs as one generator, as the calls are: it pulls, packs, keeps a few requests under way, and emits the
answers in order. What it holds at a time does not grow with the stream.

A pack leaves when it is full, or when nothing is under way: a slow source is answered at once, a fast one in packs.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx2

from ._core import Call, Core, Limits, Load, positive
from ._errors import InvalidInput, ServerError, TimedOut
from ._folders import pictures_in
from ._inputs import Pixels, Reads, Saves, Source, load_or_refuse, recognise, refused, size
from ._progress import Progress
from ._requests import SMALL_PICTURE, pictures, sentences, small_pictures
from ._types import Prediction, Refused

# Of one request. With six under way (768 inputs, where a model's queue has room for 1,024) the stream is as fast as wrk
# is with a picture a request; packs of 64 cost a tenth of it, packs of 32 a quarter.
PACK_INPUTS = 128
SLOW_PULL = 1.0  # seconds: of a source as slow as that, each answer is given before the next input is asked for
PACK_BYTES = 1024 * 1024  # an input that is larger travels alone
TASKS = {"image-classification": "pictures", "sentence-classification": "sentences"}


class Pull:
    """Answered with the next of the caller's inputs, or END."""


class End:
    pass


PULL, END = Pull(), End()


class UnderWay(Protocol):
    """A Future, or a Task."""

    def done(self) -> bool: ...


@dataclass(frozen=True)
class Begin:
    """Drive the call beside the stream; answered with what is UnderWay."""

    call: Call[Any]


@dataclass(frozen=True)
class Finish:
    """Answered with the result of what is under way."""

    under_way: Any


@dataclass(frozen=True)
class Emit:
    answers: Sequence[tuple[Any, Prediction | Refused]]


Stream: TypeAlias = Generator[Pull | Begin | Finish | Emit, Any, None]


@dataclass
class Pack:
    """What is to travel together."""

    given: list[Any] = field(default_factory=list)  # as the caller has it
    sources: list[Source | Refused] = field(default_factory=list)
    bytes: int = 0


@dataclass
class Room:
    """How large a pack may be: less, once the service has found one too large."""

    inputs: int = PACK_INPUTS
    bytes: int = PACK_BYTES

    def shrink(self, inputs: int, size: int) -> None:
        self.inputs = max(1, min(self.inputs, inputs))
        self.bytes = max(1, min(self.bytes, size))


class Packer:
    """Inputs of one model, asked for in packs."""

    def __init__(self, core: Core, url: httpx2.URL, task: str | None, limits: Limits) -> None:
        self._core = core
        self._url = url
        self._takes = TASKS.get(task or "")
        self._limits = limits
        self.room = Room()

    def recognise(self, given: Any) -> Source | Refused:
        try:
            source = recognise(given)
        except (OSError, TypeError, ValueError) as error:
            return refused(error)
        kind = "sentences" if isinstance(source, str) else "pictures"
        if self._takes not in (None, kind):
            return refused(TypeError(f"the model takes {self._takes}, and this is none of them: {shortened(given)}"))
        return source

    def full(self, pack: Pack, following: int) -> bool:
        return len(pack.given) >= self.room.inputs or pack.bytes + following > self.room.bytes

    def ask(self, pack: Pack) -> Call[list[Prediction | Refused]]:
        """One answer for each input. Raises only what would befall every other pack, too."""
        loaded = yield Load(pack.sources, load_or_refuse)
        whole = [each for each in loaded if not isinstance(each, Refused)]
        answered = iter((yield from self._predict(whole)) if whole else ())
        return [each if isinstance(each, Refused) else next(answered) for each in loaded]

    def _predict(self, loaded: list[Any]) -> Call[list[Prediction | Refused]]:
        try:
            return (yield from self._core.predict(self._request(loaded), len(loaded), self._limits))
        except TimedOut as error:
            return [Refused(error=error.message, code=None, cause=error, reason=error.reason)] * len(loaded)
        except (InvalidInput, ServerError) as error:
            if error.status == 502:  # of a gateway that was waited for in vain
                raise
            if len(loaded) == 1:
                return [Refused(error=error.message, code=error.status, cause=error, reason=error.reason)]
            too_large = error.status == 413
        # Too large together is not too large apart, and one that the service fails on shall not spoil the others.
        half = len(loaded) // 2
        if too_large:
            self.room.shrink(len(loaded) - half, sum(map(len, loaded)) // 2)
        first = yield from self._predict(loaded[:half])
        return first + (yield from self._predict(loaded[half:]))

    def _request(self, loaded: list[Any]) -> httpx2.Request:
        if isinstance(loaded[0], str):
            return sentences(self._url, loaded, self._core.headers)
        small = self._takes == "pictures" and sum(map(len, loaded)) <= SMALL_PICTURE * len(loaded)
        return (small_pictures if small else pictures)(self._url, loaded, self._core.headers)


def stream(
    core: Core,
    model: str,
    *,
    top_k: int | None,
    version: str | int | None,
    timeout: float | None,
    patience: float,
    concurrency: int,
    progress: Progress | None,
) -> Stream:
    """Raises ValueError at once for options that are none."""
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}: expected 1 or more requests at a time")
    url = core.predict_url(model, version=version, top_k=top_k)
    limits = core.limits(timeout, positive("patience", patience))
    return _stream(core, model, version, url, limits, concurrency, progress)


def _stream(
    core: Core,
    model: str,
    version: str | int | None,
    url: httpx2.URL,
    limits: Limits,
    concurrency: int,
    progress: Progress | None,
) -> Stream:
    detail = yield Finish((yield Begin(core.model(model, version, limits))))
    packer = Packer(core, url, detail.task, limits)
    under_way: deque[tuple[Pack, UnderWay]] = deque()
    pack = Pack()
    pending: Iterator[Any] = iter(())
    waiting: tuple[Any, Source | Refused, int] | None = None  # found no room in the pack
    ended = slow = False
    while not ended or waiting or pack.given or under_way:
        leaves = pack.given and (ended or waiting or not under_way)
        if leaves and len(under_way) < concurrency:
            under_way.append((pack, (yield Begin(packer.ask(pack)))))
            pack = Pack()
            continue
        if under_way and (leaves or (slow and not waiting) or (ended and not waiting) or under_way[0][1].done()):
            asked, oldest = under_way.popleft()
            answers = yield Finish(oldest)
            if progress:
                progress.add(answers)
            yield Emit(list(zip(asked.given, answers, strict=True)))
            continue
        if waiting is None:
            given = next(pending, END)
            if given is END:
                asked_at = core.clock()
                pulled = yield PULL
                slow = core.clock() - asked_at >= SLOW_PULL
                ended = pulled is END
                pending = iter(()) if ended else expanded(pulled, progress)
                continue
            source = packer.recognise(given) if not isinstance(given, NoPictures) else refused(given.error)
            waiting = (given.pattern if isinstance(given, NoPictures) else given, source, size(source))
        given, source, bytes_ = waiting
        if not pack.given or not packer.full(pack, bytes_):
            pack.given.append(given)
            pack.sources.append(source)
            pack.bytes += bytes_
            waiting = None


@dataclass(frozen=True)
class NoPictures:
    """In place of a folder or a pattern in which there was none."""

    pattern: Any
    error: FileNotFoundError


def expanded(pulled: Any, progress: Progress | None) -> Iterator[Any]:
    try:
        names = pictures_in(pulled)
    except FileNotFoundError as error:
        return iter((NoPictures(pulled, error),))
    if names is None:
        return iter((pulled,))
    if progress:
        progress.expect(len(names) - 1)
    return map(Path, names)


def one_by_one(inputs: Any) -> Any:
    """A single input, folder or pattern as a stream of one."""
    if isinstance(inputs, str | Path | bytes | Saves | Reads) or (isinstance(inputs, Pixels) and len(inputs.shape) < 4):
        return (inputs,)
    return inputs


def known_length(inputs: Any) -> int | None:
    return len(inputs) if isinstance(inputs, Sized) else None


def shortened(given: Any) -> str:
    text = repr(given) if isinstance(given, str | Path) else type(given).__name__
    return text if len(text) <= 60 else f"{text[:59]}…"
