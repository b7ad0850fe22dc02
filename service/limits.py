"""How often a caller may ask, and how much at once, counted over all processes of the service: to whichever of them its
connections were dealt, the limit is the same."""

import fcntl
import hashlib
import math
import mmap
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import SettingsError, TooManyRequests

CALLERS = 4096  # by name, since the start; memory that is not used costs nothing
NAME, DUE, PROCESSES = range(3)  # fields of a caller, then two of each process: its id, and its requests under way
TRIES = 1000  # for a lock, within half a millisecond


@dataclass(frozen=True)
class Quota:
    rate: float = math.inf  # requests a second
    burst: int = 1  # that may come together, after a pause
    concurrency: float = math.inf  # requests under way


class Limits:
    """To be made before the first fork. Times are of the one monotonic clock that all processes of a machine have."""

    def __init__(self, processes: int) -> None:
        self._width = PROCESSES + 2 * processes
        self._fields = memoryview(mmap.mmap(-1, 8 * CALLERS * self._width)).cast("q")
        self._locks, path = tempfile.mkstemp(prefix="maxpool-")
        os.unlink(path)  # a lock of this file ends with the process that holds it, however that ends

    def of(self, caller: str, quota: Quota) -> "Limit":
        """The same for the same name, also where its quota has changed. Raises SettingsError."""
        name = int.from_bytes(hashlib.sha256(caller.encode()).digest()[:8], "little", signed=True)
        with self.locked(CALLERS):
            for step in range(CALLERS):
                place = (name + step) % CALLERS
                fields = self._fields[place * self._width : (place + 1) * self._width]
                if fields[NAME] in (0, name):
                    fields[NAME] = name
                    return Limit(self, place, fields, quota)
        raise SettingsError(f"there were {CALLERS:,} names with limits since the start: start the service again")

    @contextmanager
    def locked(self, place: int) -> Iterator[None]:
        """Between processes. One that is stopped just here must not stop the others: they go on without the lock, and
        may count a request too little."""
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                break
            except OSError:
                continue
        try:
            yield
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, place)


class Limit:
    """Of one caller. Used on the event loop only; what does `enter` is to `leave`."""

    def __init__(self, limits: Limits, place: int, fields: "memoryview[int]", quota: Quota) -> None:
        self._limits = limits
        self._place = place
        self._fields = fields
        self._quota = quota
        self._at = PROCESSES  # this process's fields, once it has claimed them

    def enter(self) -> None:
        """Raises TooManyRequests."""
        quota = self._quota
        with self._limits.locked(self._place):
            if self._under_way() >= quota.concurrency and not self._forget_dead_processes():
                raise TooManyRequests(f"{quota.concurrency} requests of this key are under way: wait for their answers")
            if quota.rate < math.inf:
                self._keep_pace()
            self._fields[self._own() + 1] += 1

    def leave(self) -> None:
        self._fields[self._own() + 1] -= 1

    def _keep_pace(self) -> None:
        """A token bucket, held as the time at which it is full again (GCRA)."""
        now, pause = time.monotonic_ns(), int(1e9 / self._quota.rate)
        due = max(now, self._fields[DUE])
        early = due - now - (self._quota.burst - 1) * pause
        if early > 0:
            raise TooManyRequests(
                f"this key may send {self._quota.rate:g} requests a second, and {self._quota.burst} together: "
                f"ask again in {early / 1e9:.3g} s",
                retry_after=math.ceil(early / 1e9),
            )
        # Once more: others have gone on without the lock if this process was stopped since.
        self._fields[DUE] = max(due, self._fields[DUE]) + pause

    def _under_way(self) -> int:
        return sum(self._fields[PROCESSES + 1 :: 2])

    def _forget_dead_processes(self) -> bool:
        """Whether that makes room."""
        for at in range(PROCESSES, len(self._fields), 2):
            if self._fields[at] and not is_alive(self._fields[at]):
                self._fields[at] = self._fields[at + 1] = 0
        return self._under_way() < self._quota.concurrency

    def _own(self) -> int:
        """Where this process's fields are."""
        pid = os.getpid()
        if self._fields[self._at] != pid:
            places = self._fields[PROCESSES::2].tolist()
            if pid not in places and 0 not in places:
                self._forget_dead_processes()
                places = self._fields[PROCESSES::2].tolist()
            self._at = PROCESSES + 2 * places.index(pid if pid in places else 0)
            self._fields[self._at] = pid
        return self._at


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
