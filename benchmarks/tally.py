"""What clients have seen happen to their requests, and whether the service counted the same.

A client that waits for its answer knows it. Of one that goes away the service decides whether it was answered before
(docs/operations.md), so of those the sum alone is certain.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.counters import Counters


@dataclass
class Tally:
    answered: Counter[int] = field(default_factory=Counter)  # prediction requests, by code
    abandoned: int = 0  # good ones, whose client did not wait
    cut: int = 0  # of the abandoned those that were not sent to the end, which nobody can have answered
    refused_connections: Counter[int] = field(default_factory=Counter)  # what was sent was no request
    others: int = 0  # scrapes, loads
    ran: Counter[str] = field(default_factory=Counter)  # scenarios
    unexpected: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.answered.total() + self.abandoned


def differences(tally: Tally, counted: Counters) -> list[str]:
    """Each in words; none if every request is accounted for."""
    return [
        f"{what}: sent {sent:,}, counted {count:,}" for what, sent, count in accounts(tally, counted) if sent != count
    ]


def accounts(tally: Tally, counted: Counters) -> Iterator[tuple[str, int, int]]:
    """What, by the clients, by the service."""
    ended = counted.answered.total() + counted.cancelled
    yield "received", tally.sent, counted.received
    yield "received and ended", counted.received, ended
    for code in sorted((tally.answered.keys() | counted.answered.keys()) - {200}):
        yield f"answered {code}", tally.answered[code], counted.answered[code]
    yield "answered 200 or gone away", tally.answered[200] + tally.abandoned, counted.answered[200] + counted.cancelled
    # Of those that went away, the ones cut off at least and all of them at most.
    yield "gone away", min(max(counted.cancelled, tally.cut), tally.abandoned), counted.cancelled
    for code in sorted(tally.refused_connections.keys() | counted.refused_connections.keys()):
        yield f"refused connections {code}", tally.refused_connections[code], counted.refused_connections[code]
    refused = sum(count for code, count in tally.answered.items() if code not in (200, 500))
    yield "rejected for a reason", refused + tally.refused_connections.total(), counted.rejected.total()
