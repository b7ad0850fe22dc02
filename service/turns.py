"""A few in each turn of the event loop, of what takes it long: many that come at once do not hold it all together, and
what comes meanwhile is answered between them."""

import asyncio
from collections import deque

MOST = 4  # in one turn: a page or a list takes some tenths of a millisecond


class Turns:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = 0  # in this turn

    async def take(self) -> None:
        loop = asyncio.get_running_loop()
        if self._taken == MOST:
            self._waiting.append(turn := loop.create_future())
            await turn
        else:
            if not self._taken:
                loop.call_soon(self._next)
            self._taken += 1

    def _next(self) -> None:
        self._taken = 0
        while self._waiting and self._taken < MOST:
            turn = self._waiting.popleft()
            if not turn.done():  # or its task was cancelled
                turn.set_result(None)
                self._taken += 1
        if self._taken:
            asyncio.get_running_loop().call_soon(self._next)
