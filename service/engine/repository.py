"""Changes of what is served, by whichever process takes the lead: it looks and proves first, alone, so that what brings
a process down brings down no more than one; then all the others prepare; and only then all of them switch."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from service.engine.board import Board
from service.engine.follower import STEP_SECONDS, Follower
from service.engine.registry import Registry
from service.engine.state import State
from service.errors import InvalidInput, MaxpoolError, SettingsError, Unavailable, UnknownModel

log = logging.getLogger("maxpool")
PATIENCE = 30  # seconds for the other processes, once this one has proven what is new
POLL_SECONDS = 0.02


class Repository:
    """Used on the event loop only."""

    def __init__(self, registry: Registry, board: Board, follower: Follower, folder: Path) -> None:
        self._registry = registry
        self._board = board
        self._follower = follower
        self._folder = folder
        self._trouble = ""

    async def follow(self) -> None:
        while True:
            try:
                self._follower.step()
            except Exception:  # what is served goes on being served
                log.exception("this process could not take a step after the others")
            await asyncio.sleep(STEP_SECONDS)

    async def catch_up(self) -> None:
        """With what was committed since this process was forked, or since its last step."""
        while self._follower.behind:
            self._follower.step()
            await asyncio.sleep(POLL_SECONDS)

    async def watch(self, seconds: float) -> None:
        """Every so often one of the processes looks at the folder. Loading goes on beside the requests."""
        while True:
            await asyncio.sleep(STEP_SECONDS)
            if self._board.look_is_due(seconds) and self._board.lock():
                try:
                    self._board.looked()
                    await self._look()
                finally:
                    self._board.looked()
                    self._board.unlock()

    async def _look(self) -> None:
        """Whatever goes wrong, what is loaded goes on serving, and the next look may succeed."""
        trouble = ""
        try:
            await self._agree(await self._looked(None))
        except MaxpoolError as error:
            trouble = str(error)
        except Exception as error:
            log.exception("a look for new models failed")
            trouble = repr(error)
        if trouble not in ("", self._trouble):
            log.error("a look for new models failed: %s", trouble)
        self._trouble = trouble

    async def load(self, name: str) -> None:
        """Returns when every process serves what the folder has of the model. Raises UnknownModel where it has nothing,
        InvalidInput with the reason why a version is refused, Unavailable."""
        async with self._lead():
            target = await self._looked(name)
            if not any(key[0] == name for key in target.versions):
                raise UnknownModel(f"the models folder has no {name!r}: put it there, as <name>/<version>")
            agreed = await self._agree(target)
        reasons = [
            f"version {each.version} is not served: {each.reason}" for each in agreed.refused if each.name == name
        ]
        if reasons:
            raise InvalidInput(f"model {name!r}: {'; '.join(reasons)}")

    async def unload(self, name: str) -> None:
        """Returns when no process serves it any more; requests under way are answered, and with the last of them its
        memory is given back. Raises UnknownModel, Unavailable."""
        async with self._lead():
            if not any(key[0] == name for key in self._registry.state.versions):
                raise UnknownModel(f"no model is called {name!r}: POST /v2/repository/index has all there are")
            await self._agree(self._registry.state.unload(name))

    async def _looked(self, name: str | None) -> State:
        await self.catch_up()
        try:
            return await asyncio.to_thread(self._registry.look, self._folder, self._registry.state, again=name)
        except SettingsError as error:
            raise Unavailable(str(error)) from None

    @asynccontextmanager
    async def _lead(self) -> AsyncIterator[None]:
        await self._until(self._board.lock)
        try:
            await self.catch_up()
            yield
        finally:
            self._board.unlock()

    async def _agree(self, target: State) -> State:
        """What all serve in the end: one that any process refuses is refused by all. Raises Unavailable."""
        if target == self._registry.state:
            return target
        while True:
            epoch = self._board.propose(target)
            await self._until(partial(self._board.settled, epoch))
            if not (failures := self._board.failures(epoch)):
                break
            target = target.refuse(failures)
        self._board.commit(epoch)
        await self._until(lambda: self._board.all_switched(epoch))
        return target

    async def _until(self, holds: Callable[[], object]) -> None:
        """Raises Unavailable."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the worker processes did not agree within {PATIENCE} s, the index says what is served: ask again",
                    retry_after=PATIENCE,
                )
            await asyncio.sleep(POLL_SECONDS)
            self._follower.step()
