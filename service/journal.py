"""What each connection's client has sent of its request, in memory that all processes share: when the process that
answers it is killed, another one goes on with it.

How far an answer has gone out, the system itself knows to the byte. By that the first process tells which connections
can be gone on with: what was read from one and is in no journal, or was written to it in part, is lost.
"""

import fcntl
import mmap
import socket
import struct
import termios
from dataclasses import dataclass
from enum import Enum

LONGEST = 128 * 1024  # bytes of a request that is kept; a longer one is not run again
HEAD = struct.Struct("<qqqi??")  # written before the request, written after its answer, read, length, whole, over
NUMBER, AFTER_AT, WHOLE_AT, OVER_AT = struct.Struct("<q"), 8, 28, 29
AT = 32  # where the request begins
UNANSWERED = -1
LOST = -1  # the length of what was not kept: too long, or several requests at once
TCP_INFO_BYTES = 256
ACKED_AND_RECEIVED = struct.Struct("=QQ")
ACKED_AT = 120  # in Linux' struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received


class Fate(Enum):
    """Of a connection whose process was killed."""

    IDLE = "no request is under way: whoever has it next answers what comes"
    BEGUN = "of a request some has come, and none of it was run"
    RUN = "a whole request, of whose answer nothing has gone out"
    UNKEPT = "the same, but the request was not kept"
    LOST = "of its answer some has gone out, or what came is not known"


@dataclass(frozen=True)
class Traffic:
    """Of one connection since it was opened, in bytes."""

    read: int  # by any process
    written: int  # to the client, or to the system to be sent to it

    @classmethod
    def of(cls, connection: socket.socket) -> "Traffic":
        """Raises OSError."""
        acked, received = counted(connection)
        while True:
            read = received - waiting(connection, termios.FIONREAD)
            written = acked + waiting(connection, termios.TIOCOUTQ)
            before, (acked, received) = (acked, received), counted(connection)
            if (acked, received) == before:  # else the client was heard of between the one look and the other
                return cls(read, written)


def counted(connection: socket.socket) -> tuple[int, int]:
    """Bytes that the client has acknowledged, and that it has sent."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    acked, received = ACKED_AND_RECEIVED.unpack_from(info, ACKED_AT)
    return acked, received


def waiting(connection: socket.socket, queue: int) -> int:
    return int.from_bytes(bytes(fcntl.ioctl(connection, queue, bytes(4))), "little")


class Journals:
    """To be made before the first fork."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._memory = memoryview(mmap.mmap(-1, max(1, count) * (AT + LONGEST)))

    def __getitem__(self, slot: int) -> "Journal":
        return Journal(self._memory[slot * (AT + LONGEST) : (slot + 1) * (AT + LONGEST)])


class Journal:
    """Of one connection: written by the process that answers it, read by the first one when that was killed."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._before: int
        self._before, self._after, self._read, self._length, self._whole, self.over = HEAD.unpack_from(memory)

    def open(self) -> None:
        """For a new connection."""
        self._before = self._after = self._read = self._length = 0
        self._write_head()

    @property
    def written(self) -> int:
        """To the client, before the request that is under way if one is."""
        return self._before

    def take(self) -> bytes:
        """What has come of the request that is under way, to be read once more."""
        request = bytes(self._memory[AT : AT + self._length])
        self._read -= len(request)
        return request

    def begin(self, data: bytes, written: int) -> None:
        """The first bytes of a request, after so many of earlier answers."""
        self._before, self._after, self._length = written, UNANSWERED, 0
        self.go_on(data)

    def go_on(self, data: bytes) -> None:
        self._read += len(data)
        if self._length != LOST:
            end = self._length + len(data)
            if end <= LONGEST:
                self._memory[AT + self._length : AT + end] = data
                self._length = end
            else:
                self._length = LOST
        self._write_head()

    def whole(self) -> None:
        self._memory[WHOLE_AT] = True

    def lose(self) -> None:
        """What comes is more than one request."""
        self._length = LOST
        self._write_head()

    def answered(self, written: int) -> None:
        """When so many bytes have gone out, and nothing else has come."""
        NUMBER.pack_into(self._memory, AFTER_AT, written)

    def close(self) -> None:
        self._memory[OVER_AT] = True

    def unanswered(self, written: int) -> bool:
        """The request that came after so many bytes of earlier answers."""
        return not self.over and self._before == written and self._after == UNANSWERED

    def fate(self, traffic: Traffic) -> Fate:
        """Of the connection, whose process is gone."""
        if traffic.read != self._read:
            return Fate.LOST
        if traffic.written == self._after:
            return Fate.IDLE
        if traffic.written != self._before:
            return Fate.LOST
        if self._length == LOST:
            return Fate.UNKEPT
        return Fate.RUN if self._whole else Fate.BEGUN

    def clear(self) -> None:
        """The answer is out: the next process finds no request."""
        self._before, self._length = self._after, 0
        self._write_head()

    def rewind(self) -> None:
        """The next process finds the request, and has taken nothing of it yet."""
        self._after = UNANSWERED
        self._write_head()

    def _write_head(self) -> None:
        HEAD.pack_into(self._memory, 0, self._before, self._after, self._read, self._length, False, False)
