"""The models folder, loaded: name and version -> Model, or the reason why not."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.engine.lanes import Lanes
from service.engine.model import Model
from service.engine.proof import prove
from service.errors import ModelRefused, SettingsError, Unavailable, UnknownModel
from service.metrics import Metrics
from service.spec import NAME, VERSION

log = logging.getLogger("maxpool")


@dataclass(frozen=True, slots=True)
class Refused:
    """A version on disk that is not served."""

    name: str
    version: str
    reason: str


class Registry:
    def __init__(self, *, cpus: int, provider: str, queue_rows: int, max_pixels: int, metrics: Metrics) -> None:
        self.provider = provider
        self._lanes = Lanes(cpus)
        self.readers = ThreadPoolExecutor(cpus, thread_name_prefix="reader")
        self._limits = {"queue_rows": queue_rows, "max_pixels": max_pixels}
        self._metrics = metrics
        self._models: dict[str, dict[str, Model]] = {}  # name -> version -> model, the highest version last
        self.refused: list[Refused] = []

    def load(self, folder: Path) -> None:
        """Every <name>/<version> of the folder. One that is refused leaves the others served."""
        if not folder.is_dir():
            raise SettingsError(f"the models folder {folder.absolute()} is missing: set MAXPOOL_MODELS to where it is")
        for path in versions(folder):
            name, version = path.parent.name, path.name
            try:
                metrics = self._metrics.of_model(name, version)
                model = Model(
                    prove(path, provider=self.provider),
                    lanes=self._lanes,
                    readers=self.readers,
                    metrics=metrics,
                    **self._limits,
                )
            except ModelRefused as refusal:
                log.error("%s version %s is not served: %s", name, version, refusal)
                self.refused.append(Refused(name, version, str(refusal)))
                self._metrics.ready.labels(name, version, self.provider).set(0)
            else:
                self._models.setdefault(name, {})[version] = model
                self._metrics.ready.labels(name, version, self.provider).set(1)
                log.info("%s version %s is ready on %s", name, version, model.provider)

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

    def __iter__(self) -> Iterator[Model]:
        """The highest version of each model."""
        return (next(reversed(of_name.values())) for of_name in self._models.values())

    def statuses(self) -> list[dict[str, Any]]:
        """Every version, served or refused."""
        served = [status(model) for of_name in self._models.values() for model in of_name.values()]
        return served + [
            {"name": r.name, "version": r.version, "task": None, "status": "refused", "reason": r.reason}
            for r in self.refused
        ]

    @property
    def ready(self) -> bool:
        return bool(self._models) and not self.refused

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
        "provider": model.provider,
    }


def versions(folder: Path) -> list[Path]:
    """<name>/<version> folders, versions in numerical order; other names are left alone, as Triton does."""
    found = [path for path in folder.glob("*/*") if re.match(NAME, path.parent.name) and re.match(VERSION, path.name)]
    return sorted((path for path in found if path.is_dir()), key=lambda path: (path.parent.name, int(path.name)))
