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
from service.engine.rollout import Verdict
from service.engine.state import State
from service.engine.trouble import Trouble
from service.errors import InvalidInput, MaxpoolError, SettingsError, Unavailable, UnknownModel

log = logging.getLogger("maxpool")
PATIENCE = 30  # seconds for the other processes, once this one has proven what is new
POLL_SECONDS = 0.02
JUDGE_SECONDS = 0.5  # between two looks at what the candidates of rollouts have done


class Repository:
    """Used on the event loop only."""

    def __init__(self, registry: Registry, board: Board, follower: Follower, folder: Path) -> None:
        self._registry = registry
        self._board = board
        self._follower = follower
        self._folder = folder
        self._trouble = Trouble("a look for new models")

    async def follow(self) -> None:
        trouble = Trouble("this process's step after the others")
        while True:
            try:
                self._follower.step()
                trouble.over()
            except Exception as error:  # what is served goes on being served
                trouble.met(repr(error), error)
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
        try:
            await self._agree(await self._looked(None))
            self._trouble.over()
        except MaxpoolError as error:
            self._trouble.met(str(error))
        except Exception as error:
            self._trouble.met(repr(error), error)

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

    async def judge(self) -> None:
        """Whichever process sees first that a rollout has come to an end, by its rule, says so to all."""
        trouble = Trouble("the verdict on a rollout")
        while True:
            await asyncio.sleep(JUDGE_SECONDS)
            if not any(self._registry.rollouts.verdicts()) or not self._board.lock():
                continue
            try:
                await self.catch_up()
                for verdict in list(self._registry.rollouts.verdicts()):
                    await self._settle(*verdict)
                trouble.over()
            except Exception as error:
                trouble.met(repr(error), error)
            finally:
                self._board.unlock()

    async def settle(self, name: str, verdict: Verdict) -> None:
        """By the administrator. Returns when every process goes by it. Raises NotFound where there is no rollout,
        InvalidInput where the candidate can not be promoted, Unavailable."""
        async with self._lead():
            rollouts = self._registry.rollouts
            standing, why = rollouts.standing(name), rollouts.obstacle(name)
            if standing.rollout is None:
                raise InvalidInput(f"the rollout of {name!r} is not gone by: {standing.problem}")
            if why and verdict is Verdict.PROMOTED:
                raise InvalidInput(f"the candidate of {name!r} can not be promoted: {why}")
            await self._settle(name, verdict, "by the administrator")

    async def _settle(self, name: str, verdict: Verdict, reason: str) -> None:
        """Raises Unavailable."""
        await self._agree(self._registry.state.settle(name, verdict, reason))
        log.warning("the rollout of %s was %s: %s", name, verdict, reason)

    async def _looked(self, name: str | None) -> State:
        await self.catch_up()
        try:
            return await asyncio.to_thread(self._registry.look, self._folder, self._registry.state, again=name)
        except SettingsError:
            raise Unavailable("the models folder is missing: put it back where MAXPOOL_MODELS says") from None

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
            self._registry.count_failures(failures)
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
