"""The bytes that requests may hold in one process: bodies that come in more than one piece, from their first to their
answer, what they are inflated to, and answers too long to be sent in one.

A body that comes at once is not counted: it is short, and the queues of the models hold no more than they may.
"""

from service.errors import Overloaded


class Room:
    """Used on the event loop only."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0

    def take(self, size: int) -> None:
        """Raises Overloaded."""
        if self._held + size > self._size:
            raise Overloaded(
                f"the server holds {self._held:,} bytes of long bodies, of at most {self._size:,} (8 times "
                "MAXPOOL_MAX_BODY_BYTES): ask again in 1 s, or send shorter ones"
            )
        self._held += size

    def give_back(self, size: int) -> None:
        self._held -= size


class Hold:
    """What one request has of it."""

    __slots__ = ("_room", "size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Raises Overloaded."""
        self._room.take(size)
        self.size += size

    def end(self) -> None:
        self._room.give_back(self.size)
