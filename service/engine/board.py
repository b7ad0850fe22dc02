"""Memory that all processes of a service share: the state that one of them proposes, the one that all agreed upon, and
how far each process is.

One process at a time, which holds the lock: propose -> *all* prepared -> commit -> *all* switched. If it dies, the next
one proposes anew; what was not committed is served by nobody.
"""

import fcntl
import json
import mmap
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import astuple

from service.engine.state import Refused, State
from service.errors import InternalError

STATE_BYTES = 4 * 1024 * 1024  # some ten thousand versions; memory that is not used costs nothing
FAILURE_BYTES = 8192
LONGEST_REASON = 1000  # characters
HEAD = struct.Struct("<qII")  # epoch, bytes, CRC-32
PROPOSED, COMMITTED, LOOKED = range(3)  # counters of all
TAKEN, PREPARED, SWITCHED = range(3)  # counters of each process


class Board:
    """To be made before the first fork. A process has one of the `slots`, the one that makes the board the first."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        counters = 8 * (3 + 3 * slots)
        failures = counters + 2 * STATE_BYTES
        self._memory = mmap.mmap(-1, failures + slots * FAILURE_BYTES)
        self._counters = memoryview(self._memory)[:counters].cast("q")
        self._states = (counters, counters + STATE_BYTES)
        self._failures = [failures + slot * FAILURE_BYTES for slot in range(slots)]
        self._lock, path = tempfile.mkstemp(prefix="maxpool-")
        os.unlink(path)  # a lock of this file ends with the process that holds it, however that ends
        self._held = False
        self.take(0)

    @property
    def proposed(self) -> int:
        return self._counters[PROPOSED]

    @property
    def committed(self) -> int:
        return self._counters[COMMITTED]

    def propose(self, state: State) -> int:
        """Its epoch. Beside the committed one, which a new process may still have to read. Holding the lock."""
        epoch = self.proposed + 1
        here = next(at for at in self._states if self._read(at, self.committed) is None)
        self._write(here, STATE_BYTES, epoch, state.to_bytes())
        self._counters[PROPOSED] = epoch
        return epoch

    def commit(self, epoch: int) -> None:
        """Holding the lock."""
        self._counters[COMMITTED] = epoch

    def state(self, epoch: int) -> State | None:
        """None where another was proposed since."""
        found = next((data for at in self._states if (data := self._read(at, epoch)) is not None), None)
        return None if found is None else State.from_bytes(found)

    def free_slot(self) -> int:
        return next(slot for slot in range(self._slots) if not self._counters[self._at(slot, TAKEN)])

    def take(self, slot: int) -> None:
        """From now on nothing is agreed upon without the process of this slot."""
        self._counters[self._at(slot, PREPARED)] = self._counters[self._at(slot, SWITCHED)] = 0
        self._counters[self._at(slot, TAKEN)] = 1

    def give_back(self, slot: int) -> None:
        self._counters[self._at(slot, TAKEN)] = 0

    def prepared(self, slot: int, epoch: int) -> None:
        self._counters[self._at(slot, PREPARED)] = epoch

    def switched(self, slot: int, epoch: int) -> None:
        self._counters[self._at(slot, SWITCHED)] = epoch

    def failed(self, slot: int, epoch: int, refusal: Refused) -> None:
        name, version, reason = astuple(refusal)
        data = json.dumps([name, version, reason[:LONGEST_REASON]], ensure_ascii=False).encode()
        self._write(self._failures[slot], FAILURE_BYTES, epoch, data)

    def settled(self, epoch: int) -> bool:
        """All are prepared, or some never will be."""
        ready = all(self._counters[self._at(slot, PREPARED)] == epoch for slot in self._taken())
        return ready or bool(self.failures(epoch))

    def all_switched(self, epoch: int) -> bool:
        return all(self._counters[self._at(slot, SWITCHED)] >= epoch for slot in self._taken())

    def failures(self, epoch: int) -> list[Refused]:
        found = (self._read(self._failures[slot], epoch) for slot in self._taken())
        return [Refused(*json.loads(data)) for data in found if data is not None]

    def look_is_due(self, seconds: float) -> bool:
        """Whether no process has looked at the folder for so long."""
        return time.monotonic_ns() - self._counters[LOOKED] >= seconds * 1e9

    def looked(self) -> None:
        self._counters[LOOKED] = time.monotonic_ns()

    def lock(self) -> bool:
        """Whether it is ours now. Does not wait."""
        if self._held:  # by this very process, to whom the system would give it once more
            return False
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self._held = True
        return True

    def unlock(self) -> None:
        self._held = False
        fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _taken(self) -> Iterator[int]:
        return (slot for slot in range(self._slots) if self._counters[self._at(slot, TAKEN)])

    @staticmethod
    def _at(slot: int, counter: int) -> int:
        return 3 + 3 * slot + counter

    def _write(self, at: int, room: int, epoch: int, data: bytes) -> None:
        if HEAD.size + len(data) > room:
            raise InternalError(f"the state of the models takes {len(data):,} bytes, and {room:,} are kept for it")
        self._memory[at + HEAD.size : at + HEAD.size + len(data)] = data
        HEAD.pack_into(self._memory, at, epoch, len(data), zlib.crc32(data))

    def _read(self, at: int, epoch: int) -> bytes | None:
        """None where something else stands, or is being written right now."""
        found, length, checksum = HEAD.unpack_from(self._memory, at)
        if found != epoch or not 0 < length < STATE_BYTES:
            return None
        data = self._memory[at + HEAD.size : at + HEAD.size + length]
        return data if zlib.crc32(data) == checksum else None
