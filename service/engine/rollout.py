"""The change from one version of a model to another, as `rollout.json` beside its versions asks for it, and as far as
it has come: what all processes of a service agree on."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from service.part import Part
from service.spec import VERSION

FILE = "rollout.json"
LONGEST = 16 * 1024  # bytes of it
Share = Annotated[float, Field(ge=0, le=1)]


class Verdict(StrEnum):
    NONE = "none"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"


class Rule(Part):
    """When the candidate is promoted, and else rolled back. What is left out is not asked for."""

    rows: int = Field(1000, ge=1, description="that both versions have run, or the candidate failed on, before judging")
    agreement: Share | None = Field(None, description="at least this share of the rows with the same label on top")
    latency_ratio: float | None = Field(None, gt=0, description="at most so many times the seconds of a row")
    failures: Share = Field(0.0, description="at most this share of the rows that the candidate failed on")


class Rollout(Part):
    serve: Annotated[str, Field(pattern=VERSION)] = Field(description="answers requests that name no version")
    candidate: Annotated[str, Field(pattern=VERSION)] = Field(description="the version that is to come")
    mode: Literal["shadow", "canary"] = Field(
        description="shadow: the candidate runs a share of what was answered; canary: it answers a share"
    )
    share: float = Field(gt=0, le=1, description="of the requests")
    rule: Rule | None = Field(None, description="null: it goes on until it is promoted or rolled back by a call")

    @model_validator(mode="after")
    def _two_versions(self) -> "Rollout":
        if self.serve == self.candidate:
            raise ValueError(f"serve and candidate are both {self.serve}: expected two versions")
        return self


@dataclass(frozen=True, slots=True)
class Standing:
    """One model's rollout."""

    fingerprint: str  # of the file
    rollout: Rollout | None = None  # None where no file so far was any good
    place: int = 0  # where its counts are kept
    problem: str = ""  # why the file as it is now is not gone by
    verdict: Verdict = Verdict.NONE
    reason: str = ""  # of the verdict

    @property
    def serving(self) -> str | None:
        """The version that is to answer requests that name none."""
        if self.rollout is None:
            return None
        return self.rollout.candidate if self.verdict is Verdict.PROMOTED else self.rollout.serve

    @property
    def running(self) -> bool:
        return self.rollout is not None and self.verdict is Verdict.NONE

    def with_problem(self, fingerprint: str, problem: str) -> "Standing":
        return replace(self, fingerprint=fingerprint, problem=problem)

    def settled(self, verdict: Verdict, reason: str) -> "Standing":
        return replace(self, verdict=verdict, reason=reason)

    def to_json(self) -> list[Any]:
        rollout = self.rollout and self.rollout.model_dump()
        return [self.fingerprint, rollout, self.place, self.problem, self.verdict.value, self.reason]

    @classmethod
    def from_json(cls, told: list[Any]) -> "Standing":
        fingerprint, rollout, place, problem, verdict, reason = told
        return cls(fingerprint, rollout and Rollout.model_validate(rollout), place, problem, Verdict(verdict), reason)


class RolloutRefused(Exception):
    """A file that can not be gone by; never reaches a caller but in a status."""


def read_rollout(path: Path) -> Rollout:
    """Raises RolloutRefused, naming each wrong key."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RolloutRefused(f"{FILE} can not be read ({error.strerror})") from None
    if len(text) > LONGEST:
        raise RolloutRefused(f"{FILE} has {len(text)} bytes: expected at most {LONGEST}")
    try:
        return Rollout.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors())
        raise RolloutRefused(f"{FILE} is not what is expected (docs/rollout.md): {wrong}") from None
