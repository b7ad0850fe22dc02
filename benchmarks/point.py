"""How much was offered, and what became of it: a row of the table of benchmarks.overload."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.openloop import NONE, Outcome, percentile

FILLING = 1.0  # seconds in which the queue comes to what it is going to be
HEAD = (
    "| offered | C /s | offered /s | in time /s | of C or offered | 200: p50 / p99 ms | 503 | 503: p99 ms | told | 504 "
    "| no answer | in vain | healthz p99 ms | metrics p99 ms | generator late p99 ms |\n" + "| --- " * 15 + "|"
)


@dataclass(frozen=True)
class Counted:
    """By the service itself."""

    rows: float  # run
    answered: float  # with 200


@dataclass(frozen=True)
class Point:
    times: float  # of the capacity
    capacity: float  # requests a second, measured right before and after
    seconds: float
    deadline: float
    outcomes: list[Outcome]
    counted: Counted
    health: list[Outcome]
    metrics: list[Outcome]

    def of(self, *statuses: int) -> list[Outcome]:
        return [each for each in self.outcomes if each.status in statuses]

    @property
    def offered(self) -> float:
        return len(self.outcomes) / self.seconds

    @property
    def in_time(self) -> list[Outcome]:
        return [each for each in self.of(200) if each.seconds <= self.deadline]

    @property
    def goodput(self) -> float:
        """Answers in time that came between the filling of the queue and the end of the load, a second."""
        ends = [each.due + each.seconds for each in self.in_time]
        return sum(FILLING <= end < self.seconds for end in ends) / (self.seconds - FILLING)

    @property
    def share(self) -> float:
        """Of what could be answered: of all that was asked below the capacity, of that beyond it."""
        return len(self.in_time) / len(self.outcomes) if self.times < 1 else self.goodput / self.capacity

    @property
    def wasted(self) -> float:
        """The share of the rows that were run for nobody: not answered, or answered too late."""
        return max(0.0, 1 - len(self.in_time) / self.counted.rows) if self.counted.rows else 0.0

    @property
    def told(self) -> float:
        """The share of the refused who heard when to ask again, and why."""
        refused = self.of(503)
        return sum(each.told for each in refused) / len(refused) if refused else 1.0

    def p(self, share: float, outcomes: Sequence[Outcome]) -> float:
        return percentile([each.seconds for each in outcomes], share)

    def row(self) -> str:
        ok, refused = self.of(200), self.of(503)
        cells = [
            f"{self.times:g} x C",
            f"{self.capacity:.1f}",
            f"{self.offered:.1f}",
            f"{self.goodput:.1f}",
            f"{100 * self.share:.1f} %",
            f"{1e3 * self.p(0.5, ok):.0f} / {1e3 * self.p(0.99, ok):.0f}",
            f"{len(refused):,}",
            f"{1e3 * self.p(0.99, refused):.1f}",
            f"{100 * self.told:.0f} %",
            f"{len(self.of(504)):,}",
            f"{len(self.of(NONE)):,}",
            f"{100 * self.wasted:.2f} %",
            f"{1e3 * self.p(0.99, self.health):.1f}",
            f"{1e3 * self.p(0.99, self.metrics):.0f}",
            f"{1e3 * percentile([each.late for each in self.outcomes], 0.99):.1f}",
        ]
        return f"| {' | '.join(cells)} |"
