import threading
from collections.abc import Iterator

import pytest

from scripts.ahead import DEPTH, ahead


def test_batches_come_in_order_and_are_made_in_another_thread() -> None:
    makers = set()

    def made() -> Iterator[int]:
        for each in range(50):
            makers.add(threading.current_thread().name)
            yield each

    assert list(ahead(made())) == list(range(50))
    assert makers == {"ahead"}


def test_an_error_comes_where_it_happened() -> None:
    def made() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    taken = ahead(made())
    assert next(taken) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(taken)


def test_no_more_is_made_than_fits_and_stopping_ends_the_thread() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    taken = ahead(endless())
    assert next(taken) == 0
    taken.close()  # type: ignore[attr-defined]
    assert len(made) <= 2 * DEPTH + 3
    assert "ahead" not in {thread.name for thread in threading.enumerate()}
