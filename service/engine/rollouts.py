"""The rollouts of all models: as the folder has them, as this process takes part in them, and what came of them."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from re import match
from typing import Any

from service.engine.folder import file_fingerprint
from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.rollout import FILE, RolloutRefused, Standing, Verdict, read_rollout
from service.engine.state import State
from service.engine.tally import PLACES, Count, Tally
from service.engine.trial import Trial, obstacle
from service.engine.verdict import judge
from service.errors import NotFound
from service.rolloutmetrics import Figures
from service.spec import NAME

log = logging.getLogger("maxpool")
RUNNING, WAITING, REFUSED = "running", "waiting", "refused"  # beside the verdicts
Models = Mapping[str, Mapping[str, Model]]


class Rollouts:
    """`look` in any thread, all else on the event loop."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        # Of its own, so that a slow candidate keeps no request waiting.
        self._lanes = Lanes(1)
        self._standings: Mapping[str, Standing] = {}
        self._trials: dict[str, Trial] = {}
        self._obstacles: dict[str, str] = {}  # why a rollout does not run

    def look(self, folder: Path, state: State, *, again: str | None) -> dict[str, Standing]:
        """The standings of `state`, as the folder has them now; `again`: of this model alone."""
        looked = {name: standing for name, standing in state.rollouts.items() if again not in (None, name)}
        used = {standing.place for standing in state.rollouts.values() if standing.rollout}
        for path in sorted(folder.glob(f"*/{FILE}")):
            name = path.parent.name
            if not match(NAME, name) or again not in (None, name):
                continue
            known = state.rollouts.get(name)
            try:
                found = file_fingerprint(path)
            except OSError:  # taken away this very moment
                continue
            if known is None or known.fingerprint != found:
                looked[name] = self._read(path, found, known, used)
            else:
                looked[name] = known
        return looked

    def _read(self, path: Path, found: str, known: Standing | None, used: set[int]) -> Standing:
        name = path.parent.name
        try:
            rollout = read_rollout(path)
            free = set(range(PLACES)) - used
            if not free:
                raise RolloutRefused(f"there are {PLACES} rollouts at once: end one first")
        except RolloutRefused as refusal:
            log.error("the rollout of %s is not gone by: %s", name, refusal)
            return (known or Standing(found)).with_problem(found, str(refusal))
        place = min(free)
        used.add(place)
        self.tally.clear(place)
        log.info("rollout of %s: %s", name, rollout.model_dump_json())
        return Standing(found, rollout, place)

    def apply(self, state: State, models: Models) -> dict[str, Model]:
        """`models`: by name and version, the highest last. Of each name the one that answers when none is named."""
        self._standings = state.rollouts
        before, self._trials, self._obstacles = self._trials, {}, {}
        for name, standing in state.rollouts.items():
            of_name = models.get(name, {})
            if (rollout := standing.rollout) is None:
                continue
            serve, candidate = of_name.get(rollout.serve), of_name.get(rollout.candidate)
            if serve is None or candidate is None:
                missing = rollout.candidate if candidate is None else rollout.serve
                told = state.versions.get((name, missing))
                why = told.reason if told and told.reason else "the models folder does not have it"
                self._obstacles[name] = f"version {missing} is not served: {why}"
            elif why := obstacle(serve, candidate):
                self._obstacles[name] = why
            elif not standing.running:
                continue
            elif name in before and before[name].is_of(standing.place, serve, candidate):
                self._trials[name] = before[name]
            else:
                self._trials[name] = Trial(
                    rollout, standing.place, serve, candidate, lanes=self._lanes, tally=self.tally
                )
        for name, trial in before.items():
            if self._trials.get(name) is not trial:
                trial.close()
        for trial in self._trials.values():
            trial.begin()
        return {name: self._answering(name, of_name) for name, of_name in models.items()}

    def _answering(self, name: str, of_name: Mapping[str, Model]) -> Model:
        """The highest unless a rollout says otherwise, and then the candidate only where there is no other."""
        standing = self._standings.get(name)
        if standing and standing.rollout:
            if model := of_name.get(standing.serving or ""):
                return model
            others = [version for version in of_name if version != standing.rollout.candidate]
            if others:
                return of_name[others[-1]]
        return list(of_name.values())[-1]

    def verdicts(self) -> Iterator[tuple[str, Verdict, str]]:
        """That are due: the name, and why."""
        for name, standing in self._standings.items():
            if not standing.running or standing.rollout is None:
                continue
            if found := judge(standing.rollout.rule, self._figures_of(name, standing)):
                yield name, *found

    def obstacle(self, name: str) -> str:
        """Why the candidate is not on trial, "" where nothing is in its way."""
        return self._obstacles.get(name, "")

    def standing(self, name: str) -> Standing:
        """Raises NotFound."""
        standing = self._standings.get(name)
        if standing is None:
            raise NotFound(f"model {name!r} has no rollout: put {FILE} beside its versions (docs/rollout.md)")
        return standing

    def state_of(self, name: str, standing: Standing) -> str:
        if standing.rollout is None:
            return REFUSED
        if standing.verdict is not Verdict.NONE:
            return standing.verdict.value
        return WAITING if name in self._obstacles else RUNNING

    def figures(self) -> list[Figures]:
        return [self._figures_of(name, standing) for name, standing in self._standings.items() if standing.rollout]

    def _figures_of(self, name: str, standing: Standing) -> Figures:
        assert standing.rollout

        def count(of: Count) -> int:
            return int(self.tally.get(standing.place, of))

        return Figures(
            model=name,
            version=standing.rollout.candidate,
            state=self.state_of(name, standing),
            rows=count(Count.ROWS),
            agreed=count(Count.AGREED),
            shift=self.tally.get(standing.place, Count.SHIFT),
            serve_seconds=self.tally.get(standing.place, Count.SERVE_SECONDS),
            candidate_seconds=self.tally.get(standing.place, Count.CANDIDATE_SECONDS),
            failed=count(Count.FAILED),
            dropped=count(Count.DROPPED),
            answered=count(Count.ANSWERED),
            fallbacks=count(Count.FALLBACKS),
            worker_ends=count(Count.ENDS),
        )

    def status(self, name: str) -> dict[str, Any]:
        """Raises NotFound."""
        standing = self.standing(name)
        told: dict[str, Any] = {"model": name, "state": self.state_of(name, standing)}
        if standing.problem:
            told["problem"] = standing.problem
        if reason := standing.reason or self._obstacles.get(name):
            told["reason"] = reason
        if standing.rollout is None:
            return told
        figures = self._figures_of(name, standing)
        counted = asdict(figures)
        for field in ("model", "version", "state", "shift"):
            del counted[field]
        shares = {
            "agreement": figures.agreement,
            "score_shift": figures.score_shift,
            "latency_ratio": figures.latency_ratio,
            "failures": figures.failures,
        }
        return {**told, **standing.rollout.model_dump(), "figures": {**counted, **shares}}

    def close(self) -> None:
        for trial in self._trials.values():
            trial.close()
        self._lanes.close()
