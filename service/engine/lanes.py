"""The threads that run batches too long for the event loop: as many as CPUs, shared by all models of a process."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Lanes:
    """Used from the event loop's thread only."""

    def __init__(self, count: int) -> None:
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="lane")
        self._idle = count
        self._turns: deque[Callable[[], None]] = deque()

    def take(self, my_turn: Callable[[], None]) -> bool:
        """True: a lane is yours until give_back. False: `my_turn` is called when one is free, in order of asking."""
        if self._idle:
            self._idle -= 1
            return True
        self._turns.append(my_turn)
        return False

    def give_back(self) -> None:
        self._idle += 1
        # Whose turn it is may have nothing left to run, its callers being gone: then it is the next one's.
        while self._idle and self._turns:
            self._turns.popleft()()

    def close(self) -> None:
        self.threads.shutdown(cancel_futures=True)
