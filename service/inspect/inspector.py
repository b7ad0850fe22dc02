"""Who may look when: one inspection at a time in a process, the net's runs in a thread of the lowest priority, and what
it needs is dropped when nobody has asked for a while.

Python's own work is in another thread, of the priority of all: who has the interpreter and gets no CPU, as happens to
the lowest where the machine is busy, keeps the event loop waiting."""

import asyncio
import logging
import os
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from weakref import WeakKeyDictionary

from service.engine.model import Model
from service.engine.rows import Input, read_row
from service.engine.schedule import Schedule
from service.errors import DeadlineExceeded, Disconnected, InferenceFailed, ModelRefused, Overloaded, Unavailable, alone
from service.inspect.answer import answer
from service.inspect.question import Question
from service.inspect.view import View
from service.memory import trim

log = logging.getLogger("maxpool")
PATIENCE = 2.0  # seconds, for the inspection before it to end
IDLE_SECONDS = 60.0
LOWEST = 19  # as `nice` has it


class Inspector:
    """Used on the event loop only."""

    def __init__(self, *, max_pixels: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._max_pixels = max_pixels
        self._idle_seconds = idle_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inspector")
        self._runs = ThreadPoolExecutor(1, thread_name_prefix="inspector-runs", initializer=step_back)
        self._turn = asyncio.Semaphore(1)
        # Goes with its model when that is replaced or unloaded.
        self._views: WeakKeyDictionary[Model, View] = WeakKeyDictionary()
        self._timers: WeakKeyDictionary[Model, asyncio.TimerHandle] = WeakKeyDictionary()

    async def look(self, model: Model, given: Input, question: Question, schedule: Schedule) -> tuple[bytes, bytes]:
        """The answer's body and its media type. Raises Overloaded, DeadlineExceeded, Disconnected, InvalidInput,
        Unavailable, InferenceFailed."""
        try:
            async with asyncio.timeout(min(PATIENCE, schedule.seconds_left)):
                await self._turn.acquire()
        except TimeoutError:
            if schedule.seconds_left <= 0:
                raise DeadlineExceeded("the deadline passed while another inspection was under way") from None
            raise Overloaded("another inspection is under way in this process: ask again in 1 s") from None
        if schedule.gone():
            self._turn.release()
            raise Disconnected
        under_way = asyncio.create_task(self._look(model, given, question, schedule.request_id))
        under_way.add_done_callback(seen)
        try:
            async with asyncio.timeout(schedule.seconds_left):
                return await asyncio.shield(under_way)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before all that was asked for was computed") from None

    async def _look(self, model: Model, given: Input, question: Question, request_id: str) -> tuple[bytes, bytes]:
        """To its end, whoever still waits for it: the thread can do nothing else before."""
        loop = asyncio.get_running_loop()
        made = 0.0
        if timer := self._timers.pop(model, None):
            timer.cancel()
        try:
            view = self._views.get(model)
            if view is None:
                make = partial(View, model.spec, model.folder, model.hashed, runs=self._runs)
                view = self._views[model] = await loop.run_in_executor(self._thread, make)
                made = view.seconds_to_make
            work = partial(read_and_answer, view, given, question, max_pixels=self._max_pixels, made_seconds=made)
            return await loop.run_in_executor(self._thread, work)
        except (ModelRefused, OSError) as error:
            log.error("%s can not be inspected: %s", model.spec.name, error, extra={"request_id": request_id})
            raise Unavailable(
                "the model's files are not those that are served: load it again", retry_after=30
            ) from None
        except InferenceFailed as error:
            log.error(
                "%s failed to be inspected",
                model.spec.name,
                exc_info=error.__cause__,
                extra={"request_id": request_id},
            )
            raise alone(error) from None
        finally:
            self._timers[model] = loop.call_later(self._idle_seconds, self._drop, weakref.ref(model))
            self._turn.release()

    def _drop(self, model: weakref.ref[Model]) -> None:
        """What a model's views took is given back to the system."""
        view = self._views.pop(found, None) if (found := model()) else None
        if view is not None:
            del view
            asyncio.get_running_loop().run_in_executor(self._thread, trim)

    def close(self) -> None:
        for threads in (self._thread, self._runs):
            threads.shutdown(wait=False, cancel_futures=True)


def read_and_answer(
    view: View, given: Input, question: Question, *, max_pixels: int, made_seconds: float
) -> tuple[bytes, bytes]:
    """By the road of a prediction to its row. Raises InvalidInput, InferenceFailed."""
    row = read_row(given, view.spec.input, max_pixels=max_pixels)
    return answer(view, row, question, made_seconds=made_seconds)


def seen(task: asyncio.Task[tuple[bytes, bytes]]) -> None:
    """Its error, too, where nobody waited for it any more."""
    if not task.cancelled():
        task.exception()


def step_back() -> None:
    """Of this thread alone, where the system has priorities of threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
