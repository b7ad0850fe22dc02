"""The models folder, loaded: name and version -> Model, or the reason why not."""

import logging
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from service.drift import Yardstick
from service.engine.folder import fingerprint, from_there, versions
from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.proof import prove
from service.engine.rehearsal import rehearse
from service.engine.rollouts import Rollouts
from service.engine.state import UNLOADED, Key, Refused, State, Version
from service.engine.tally import Tally
from service.errors import ModelRefused, SettingsError, Unavailable, UnknownModel
from service.metrics import Metrics

log = logging.getLogger("maxpool")


class Registry:
    """`look` at the folder or `prepare` for what another process saw in it (in any thread, both take long), then
    `apply` (on the event loop, it takes no time)."""

    def __init__(
        self, *, cpus: int, provider: str, queue_rows: int, max_pixels: int, metrics: Metrics, slots: int = 1
    ) -> None:
        """`slots`: processes that serve the same, as the board has them."""
        self.rollouts = Rollouts(Tally(slots))
        metrics.rollouts.tell = self.rollouts.figures
        self.provider = provider
        self.state = State()
        self.draining = False  # the process is about to stop
        self.released = False  # memory of a model that was dropped
        self._lanes = Lanes(cpus)
        self.readers = ThreadPoolExecutor(cpus, thread_name_prefix="reader")
        self._limits = {"queue_rows": queue_rows, "max_pixels": max_pixels}
        self._metrics = metrics
        self._models: dict[str, dict[str, Model]] = {}  # name -> version -> model, the highest version last
        self._answering: dict[str, Model] = {}  # by name, where a request names no version
        self._fingerprints: dict[Key, str] = {}  # of what _models has
        self._prepared: dict[tuple[Key, str], Model] = {}  # by fingerprint; loaded and not served yet
        self._preparing = Lock()
        metrics.drift.watch(self._yardsticks)

    def load(self, folder: Path) -> None:
        """Every <name>/<version> of the folder. One that is refused leaves the others served. Raises SettingsError."""
        self.apply(self.look(folder, self.state))

    def look(self, folder: Path, state: State, *, again: str | None = None) -> State:
        """`state` as the folder has it now. What is new in it, or other than it was, is loaded and proven; nothing is
        served differently yet. `again`: of this model alone, and what was unloaded or refused is given another try.

        Raises SettingsError where there is no folder, which does not mean that every model was taken out of it.
        """
        if not folder.is_dir():
            raise SettingsError(f"the models folder {folder.absolute()} is missing: set MAXPOOL_MODELS to where it is")
        looked = {key: version for key, version in state.versions.items() if again not in (None, key[0])}
        for path in versions(folder):
            key = (path.parent.name, path.name)
            if again in (None, key[0]):
                looked[key] = self._look_at(path, key, state, again=bool(again))
        return State(looked, state.unloaded - {again}, self.rollouts.look(folder, state, again=again))

    def _look_at(self, path: Path, key: Key, state: State, *, again: bool) -> Version:
        if key[0] in state.unloaded and not again:
            return Version("", UNLOADED)
        known = state.versions.get(key)
        found = ""
        try:
            found = fingerprint(path)
            if known and known.fingerprint == found and not (known.reason and again):
                return known
            self._prepare(path, key, found)
        except ModelRefused as refusal:
            reason = from_there(path.parent.parent, str(refusal))
        except OSError as error:  # perhaps it is being put there or taken away: the next look reads it again
            found, reason = "", f"its files can not be read ({error.strerror}): put the whole folder there"
        else:
            return Version(found)
        if known is None or again or (found, reason) != (known.fingerprint, known.reason):
            self._metrics.load_failures.labels(key[0]).inc()
        return Version(found, reason)

    def count_failures(self, refused: Iterable[Refused]) -> None:
        """Of other processes, which tell the one that leads: each version counts once."""
        for name, _ in {(refusal.name, refusal.version) for refusal in refused}:
            self._metrics.load_failures.labels(name).inc()

    def prepare(self, folder: Path, state: State) -> list[Refused]:
        """Loads and proves what `state` has and this process has not; what was refused here."""
        wanted = {(key, version.fingerprint) for key, version in state.versions.items() if not version.reason}
        with self._preparing:
            for each in self._prepared.keys() - wanted:
                del self._prepared[each]
        refused = []
        for key, expected in sorted(wanted):
            path = folder / key[0] / key[1]
            try:
                if not self._has(key, expected):
                    if fingerprint(path) != expected:
                        raise ModelRefused("its files were changed while it was loaded: put the whole folder there")
                    self._prepare(path, key, expected)
            except (ModelRefused, OSError) as error:
                refused.append(Refused(*key, from_there(folder, str(error))))
        return refused

    def _has(self, key: Key, fingerprint: str) -> bool:
        return self._fingerprints.get(key) == fingerprint or (key, fingerprint) in self._prepared

    def _prepare(self, path: Path, key: Key, fingerprint: str) -> None:
        with self._preparing:
            if not self._has(key, fingerprint):
                self._prepared[key, fingerprint] = self._load_one(path, key)

    def _load_one(self, path: Path, key: Key) -> Model:
        try:
            proven = prove(path, provider=self.provider)
            metrics = self._metrics.of_model(*key)
            return Model(proven, lanes=self._lanes, readers=self.readers, metrics=metrics, **self._limits)
        except (ModelRefused, OSError):
            raise
        except Exception as error:  # nobody foresaw it; the other models are to be served all the same
            log.exception("%s version %s could not be loaded", *key)
            raise ModelRefused("it could not be loaded, the log says why: export the model again") from error

    def apply(self, state: State) -> None:
        """What was prepared for it is served. A version that was refused leaves what it was before serving."""
        before, self.state = self.state, state
        for key, version in state.versions.items():
            if version == before.versions.get(key):
                continue
            if key[0] in state.unloaded:
                self._drop(key, UNLOADED)
            elif version.reason:
                log.error("%s version %s is not served: %s", *key, version.reason)
            elif model := self._prepared.pop((key, version.fingerprint), None):
                self._serve(key, version.fingerprint, model)
        for key in before.versions.keys() - state.versions.keys():
            self._drop(key, "gone")
        self._answering = self.rollouts.apply(state, self._models)
        # All of them each time: a worker forked after the load has gauges of its own.
        not_ready = {key for key, version in state.versions.items() if version.reason}
        for key in self._fingerprints.keys() | not_ready:
            self._metrics.ready.labels(*key, self.provider).set(key not in not_ready)
        self._metrics.all_ready.set(self.ready or self.draining)

    def _serve(self, key: Key, fingerprint: str, model: Model) -> None:
        name, version = key
        if replaced := self._models.get(name, {}).get(version):
            self._let_go(replaced)
        of_name = {**self._models.get(name, {}), version: model}
        self._models[name] = {version: of_name[version] for version in sorted(of_name, key=int)}
        self._fingerprints[key] = fingerprint
        log.info("%s version %s is ready on %s: %s", *key, model.provider, model.plan)

    def _drop(self, key: Key, why: str) -> None:
        name, version = key
        of_name = self._models.get(name, {})
        if model := of_name.get(version):
            self._let_go(model)
            self._models[name] = {other: of_name[other] for other in of_name if other != version}
            if not self._models[name]:
                del self._models[name]
            del self._fingerprints[key]
        self._metrics.ready.labels(*key, self.provider).set(0)
        log.info("%s version %s is %s", *key, why)

    def _let_go(self, model: Model) -> None:
        """Requests under way have it still; with the last one it is gone."""
        model.close()
        weakref.finalize(model, self._release).atexit = False

    def _release(self) -> None:
        self.released = True

    async def rehearse(self) -> None:
        """So that the first requests find all of it warm."""
        await rehearse(list(self), self._lanes)

    @property
    def refused(self) -> list[Refused]:
        return self.state.refused

    def find(self, name: str, version: str | None) -> Model:
        """The named version, or the one that answers where none is named: the highest, unless a rollout says otherwise.
        Raises UnknownModel, Unavailable for one that was refused."""
        if version is None and name in self._answering:
            return self._answering[name]
        of_name = self._models.get(name, {})
        if version in of_name:
            return of_name[version]
        if name in self.state.unloaded:
            raise UnknownModel(f"model {name!r} was unloaded: POST /v2/repository/models/{name}/load loads it again")
        if any(r.name == name and version in (None, r.version) for r in self.refused):
            raise Unavailable(f"model {name!r} could not be loaded: its status says why", retry_after=30)
        if of_name:
            raise UnknownModel(f"model {name!r} has no version {version!r}: there are {', '.join(of_name)}")
        raise UnknownModel(f"no model is called {name!r}: there are {', '.join(self._models) or 'none'}")

    def default(self, names: tuple[str, ...], task: str | None) -> Model:
        """The first of the names that has the task, or the only model that has it. Raises UnknownModel."""
        models = {model.spec.name: model for model in self if task in (None, model.spec.task)}
        for name in names:
            if name in models:
                return models[name]
        if len(models) == 1:
            return next(iter(models.values()))
        raise UnknownModel(
            f"the path names no model, and there are {len(models)} that could be meant ({', '.join(models)}): set "
            "MAXPOOL_DEFAULT_MODEL"
        )

    def __iter__(self) -> Iterator[Model]:
        """The version of each model that answers where none is named."""
        return iter(self._answering.values())

    def _yardsticks(self) -> dict[Key, Yardstick]:
        models = [each for of_name in list(self._models.values()) for each in of_name.values()]  # in any thread
        return {(m.spec.name, m.spec.version): m.sampler.yardstick for m in models if m.sampler}

    def statuses(self) -> list[dict[str, Any]]:
        """Every version, served, refused or unloaded."""
        served = [model.status() for of_name in self._models.values() for model in of_name.values()]
        return served + self.state.statuses()

    @property
    def ready(self) -> bool:
        """Every model answers, and will for a while, though not perhaps by its newest version: if that was refused, its
        status, the metrics and the log tell of it."""
        return bool(self._models) and not self.draining and all(r.name in self._models for r in self.refused)

    @property
    def queue_seconds(self) -> float:
        """Until the rows that this process has accepted are answered, whatever their models: they share its CPUs."""
        return sum(model.queue_seconds for of_name in self._models.values() for model in of_name.values())

    def close(self) -> None:
        self._lanes.close()
        self.rollouts.close()
        self.readers.shutdown(cancel_futures=True)
