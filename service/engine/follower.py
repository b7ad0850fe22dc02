"""One process's part in serving the same models as all others: it prepares what is proposed and serves what is
committed. The first process follows, too, though it answers nobody, so that a worker forked from it has the models of
that moment."""

import logging
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from threading import Thread
from typing import Any

from service.engine.board import Board
from service.engine.registry import Registry
from service.engine.state import State
from service.memory import trim

log = logging.getLogger("maxpool")
STEP_SECONDS = 0.1  # from one step to the next, and so about how long two processes may serve different models


class Follower:
    """Used from one thread, that of the event loop where there is one."""

    def __init__(self, registry: Registry, board: Board, folder: Path) -> None:
        self._registry = registry
        self._board = board
        self._folder = folder
        self._slot = 0
        self._tried = self._prepared = self._switched = 0  # epochs
        self._beside: Thread | None = None

    def begin(self) -> None:
        """The first look at the folder, unless it was taken before this process was forked. Raises SettingsError."""
        if self._board.committed:
            return self._registry.apply(self._registry.state)  # for this process's own gauges
        self._registry.load(self._folder)
        epoch = self._board.propose(self._registry.state)
        self._board.commit(epoch)
        self._tried = self._prepared = self._switched = epoch
        self.become(self._slot)

    def become(self, slot: int) -> None:
        """After a fork, the process of this slot."""
        self._slot = self._registry.rollouts.tally.slot = slot
        self._board.prepared(slot, self._prepared)
        self._board.switched(slot, self._switched)

    def bury(self, slot: int) -> None:
        """By the first process: that of this slot has ended, perhaps of what it ran."""
        self._registry.rollouts.tally.bury(slot)

    @property
    def at_risk(self) -> bool:
        """Whether one more process may end in this moment, and with it what is handed to it."""
        return self._registry.rollouts.tally.at_risk()

    @property
    def busy(self) -> bool:
        """There is a second thread, so that this process must not be forked."""
        return self._beside is not None and self._beside.is_alive()

    @property
    def behind(self) -> bool:
        """This process does not serve what was agreed upon."""
        return self._switched < self._board.committed

    def step(self) -> None:
        """Takes no time: what does goes on in a thread."""
        if self.busy:
            return
        proposed, committed = self._board.proposed, self._board.committed  # in this order: none is skipped
        if self._switched < committed <= self._prepared:
            self._switch(committed)
        epoch = committed if self._prepared < committed else proposed
        if epoch > self._tried and (state := self._board.state(epoch)) is not None:
            self._tried = epoch
            self._start(self._prepare, epoch, state)
        elif self._registry.released:
            self._registry.released = False
            self._start(trim)

    def _start(self, work: Callable[..., None], *given: Any) -> None:
        self._beside = Thread(target=work, args=given, daemon=True)
        self._beside.start()

    def _prepare(self, epoch: int, state: State) -> None:
        refused = self._registry.prepare(self._folder, state)
        trim()  # what loading and proving took
        if refused and epoch > self._board.committed:
            return self._board.failed(self._slot, epoch, refused[0])
        for refusal in refused:  # it was agreed upon before this process was there
            log.error("%s version %s can not be served by this process alone: %s", *astuple(refusal))
        self._prepared = epoch
        self._board.prepared(self._slot, epoch)

    def _switch(self, epoch: int) -> None:
        if (state := self._board.state(epoch)) is not None:
            self._registry.apply(state)
            self._switched = epoch
            self._board.switched(self._slot, epoch)
