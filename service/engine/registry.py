"""The models folder, loaded: name and version -> Model, or the reason why not."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.proof import prove
from service.errors import ModelRefused, SettingsError, Unavailable, UnknownModel
from service.metrics import Metrics
from service.spec import NAME, VERSION

log = logging.getLogger("maxpool")
Key = tuple[str, str]  # name, version
Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A version on disk that is not served."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Changes:
    """What a look at the folder found to be new, changed or gone since the last one."""

    loaded: tuple[Model, ...]
    refused: tuple[Refused, ...]
    gone: frozenset[Key]


class Registry:
    """`load` once, then `changes` (in any thread, it takes long) and `apply` (on the event loop, it takes no time)."""

    def __init__(self, *, cpus: int, provider: str, queue_rows: int, max_pixels: int, metrics: Metrics) -> None:
        self.provider = provider
        self._lanes = Lanes(cpus)
        self.readers = ThreadPoolExecutor(cpus, thread_name_prefix="reader")
        self._limits = {"queue_rows": queue_rows, "max_pixels": max_pixels}
        self._metrics = metrics
        self._models: dict[str, dict[str, Model]] = {}  # name -> version -> model, the highest version last
        self._seen: dict[Key, Fingerprint] = {}
        self._refused: dict[Key, Refused] = {}

    def load(self, folder: Path) -> None:
        """Every <name>/<version> of the folder. One that is refused leaves the others served. Raises SettingsError."""
        self.apply(self.changes(folder))

    def changes(self, folder: Path) -> Changes:
        """Loads and proves what is new in the folder, or other than it was; nothing is served differently yet. Raises
        SettingsError where there is no folder, which does not mean that every model was taken out of it."""
        if not folder.is_dir():
            raise SettingsError(f"the models folder {folder.absolute()} is missing: set MAXPOOL_MODELS to where it is")
        found = {(path.parent.name, path.name): path for path in versions(folder)}
        loaded, refused = [], []
        gone = frozenset((self._seen.keys() | self._refused.keys()) - found.keys())
        for key, path in found.items():
            try:
                seen = fingerprint(path)
                if self._seen.get(key) == seen:
                    continue
                self._seen[key] = seen
                loaded.append(self._load_one(path))
            except ModelRefused as refusal:
                refused.append(Refused(*key, str(refusal)))
            except OSError as error:  # perhaps it is being put there or taken away: the next look reads it again
                self._seen.pop(key, None)
                refused.append(Refused(*key, f"its files can not be read ({error}): put the whole folder there"))
        for key in gone:
            self._seen.pop(key, None)
        return Changes(tuple(loaded), tuple(refused), gone)

    def _load_one(self, path: Path) -> Model:
        metrics = self._metrics.of_model(path.parent.name, path.name)
        proven = prove(path, provider=self.provider)
        return Model(proven, lanes=self._lanes, readers=self.readers, metrics=metrics, **self._limits)

    def apply(self, changes: Changes) -> None:
        """A version that could not be loaded again leaves what it was before serving."""
        for model in changes.loaded:
            key = (model.spec.name, model.spec.version)
            of_name = {**self._models.get(key[0], {}), key[1]: model}
            self._models[key[0]] = {version: of_name[version] for version in sorted(of_name, key=int)}
            self._refused.pop(key, None)
            log.info("%s version %s is ready on %s: %s", *key, model.provider, model.plan)
        for refusal in changes.refused:
            self._refused[refusal.name, refusal.version] = refusal
            log.error("%s version %s is not served: %s", refusal.name, refusal.version, refusal.reason)
        for name, version in changes.gone:
            self._refused.pop((name, version), None)
            of_name = {other: model for other, model in self._models.get(name, {}).items() if other != version}
            if of_name:
                self._models[name] = of_name
            else:
                self._models.pop(name, None)
            self._metrics.ready.labels(name, version, self.provider).set(0)
            log.info("%s version %s is gone", name, version)
        # All of them each time: a worker forked after the load has gauges of its own.
        served = {(model.spec.name, model.spec.version) for of in self._models.values() for model in of.values()}
        for name, version in served | self._refused.keys():
            self._metrics.ready.labels(name, version, self.provider).set((name, version) not in self._refused)

    @property
    def refused(self) -> list[Refused]:
        return list(self._refused.values())

    def find(self, name: str, version: str | None) -> Model:
        """The named version, or the highest. Raises UnknownModel, Unavailable for one that was refused."""
        of_name = self._models.get(name, {})
        if version is None and of_name:
            return next(reversed(of_name.values()))
        if version in of_name:
            return of_name[version]
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
        """The highest version of each model."""
        return (next(reversed(of_name.values())) for of_name in self._models.values())

    def statuses(self) -> list[dict[str, Any]]:
        """Every version, served or refused."""
        served = [status(model) for of_name in self._models.values() for model in of_name.values()]
        return served + [
            {
                "name": r.name,
                "version": r.version,
                "task": None,
                "status": "refused",
                "ready": False,
                "reason": r.reason,
            }
            for r in self.refused
        ]

    @property
    def ready(self) -> bool:
        """Every model answers. A new version that was refused beside an old one that serves is no reason to take this
        process out of service: its status, the metrics and the log tell of it."""
        return bool(self._models) and all(refusal.name in self._models for refusal in self.refused)

    def close(self) -> None:
        self._lanes.close()
        self.readers.shutdown(cancel_futures=True)


def status(model: Model) -> dict[str, Any]:
    spec = model.spec
    return {
        "name": spec.name,
        "version": spec.version,
        "task": spec.task,
        "status": "ready",
        "ready": True,
        "provider": model.provider,
        "plan": asdict(model.plan),
    }


def versions(folder: Path) -> list[Path]:
    """<name>/<version> folders, versions in numerical order; other names are left alone, as Triton does."""
    found = [path for path in folder.glob("*/*") if re.match(NAME, path.parent.name) and re.match(VERSION, path.name)]
    return sorted((path for path in found if path.is_dir()), key=lambda path: (path.parent.name, int(path.name)))


def fingerprint(folder: Path) -> Fingerprint:
    """Tells whether any file of a version was written since; no file is read for it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path, path.stat()) for path in files]
    return tuple((str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in stats)
