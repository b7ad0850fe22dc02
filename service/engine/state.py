"""What the models folder holds, as all processes of a service agree on it: small enough to be sent around, for the
models themselves are made by each process from the folder."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from service.engine.rollout import Standing, Verdict

Key = tuple[str, str]  # name, version
UNLOADED = "unloaded"


@dataclass(frozen=True, slots=True)
class Version:
    fingerprint: str  # of its files; "" where they were not looked at, or could not be
    reason: str = ""  # why these files are not served; what was served before them may still be


@dataclass(frozen=True, slots=True)
class Refused:
    """A version on disk that is not served."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    versions: Mapping[Key, Version] = field(default_factory=dict)
    unloaded: frozenset[str] = frozenset()  # names; what is put into their folders is left alone
    rollouts: Mapping[str, Standing] = field(default_factory=dict)  # by name

    def unload(self, name: str) -> "State":
        gone = {key: Version("", UNLOADED) for key in self.versions if key[0] == name}
        return replace(self, versions={**self.versions, **gone}, unloaded=self.unloaded | {name})

    def settle(self, name: str, verdict: Verdict, reason: str) -> "State":
        return replace(self, rollouts={**self.rollouts, name: self.rollouts[name].settled(verdict, reason)})

    def refuse(self, refusals: Iterable[Refused]) -> "State":
        """With the same files, for other reasons."""
        versions = dict(self.versions)
        for refusal in refusals:
            key = (refusal.name, refusal.version)
            versions[key] = replace(versions[key], reason=refusal.reason)
        return replace(self, versions=versions)

    @property
    def refused(self) -> list[Refused]:
        return [
            Refused(*key, version.reason)
            for key, version in self.versions.items()
            if version.reason and key[0] not in self.unloaded
        ]

    def statuses(self) -> list[dict[str, Any]]:
        """Of the versions that are refused or unloaded."""
        return [
            {
                "name": name,
                "version": number,
                "task": None,
                "status": UNLOADED if name in self.unloaded else "refused",
                "ready": False,
                "reason": version.reason,
            }
            for (name, number), version in self.versions.items()
            if version.reason
        ]

    def to_bytes(self) -> bytes:
        versions = [[*key, version.fingerprint, version.reason] for key, version in self.versions.items()]
        rollouts = {name: standing.to_json() for name, standing in self.rollouts.items()}
        return json.dumps([versions, sorted(self.unloaded), rollouts]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "State":
        versions, unloaded, rollouts = json.loads(data)
        return cls(
            {(name, version): Version(*rest) for name, version, *rest in versions},
            frozenset(unloaded),
            {name: Standing.from_json(told) for name, told in rollouts.items()},
        )
