"""Batches made in a thread while the net is busy with those before: half of a small net's time would go into JPEG."""

from collections.abc import Iterator
from queue import Queue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
DEPTH = 4  # batches made ahead


def ahead(made: Iterator[T]) -> Iterator[T]:
    """The same, in the same order. Raises what `made` raises, in its place."""
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(DEPTH)
    stopped = False

    def make() -> None:
        try:
            for each in made:
                if stopped:
                    return
                queue.put((each, None))
            queue.put((None, StopIteration()))
        except BaseException as error:
            queue.put((None, error))

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            each, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert each is not None
            yield each
    finally:
        stopped = True
        while thread.is_alive():  # it may wait for room
            while not queue.empty():
                queue.get()
            thread.join(0.01)
