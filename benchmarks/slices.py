"""Short slices of load, taken in turn, so that whatever else the machine does hits everything that is compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from benchmarks.bodies import Workload
from benchmarks.load import Load, drive
from benchmarks.servers import Server

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    seconds: float  # of a slice
    slices: int

    def slower(self, times: float) -> "Pace":
        """For what takes long: longer slices, and fewer."""
        return Pace(self.seconds * times, min(self.slices, 3))


FULL, QUICK = Pace(3, 5), Pace(1, 1)


@dataclass(frozen=True)
class Slice:
    load: Load
    cpu: float  # microseconds a request, user and system time of all the server's processes


@dataclass(frozen=True)
class Run:
    """What one server did with one workload: medians over its slices."""

    server: str
    workload: str
    connections: int
    slices: tuple[Slice, ...]

    @property
    def rate(self) -> float:
        return median(each.load.rate for each in self.slices)

    @property
    def cpu(self) -> float:
        return median(each.cpu for each in self.slices)

    @property
    def p50(self) -> float:
        return median(each.load.p50 for each in self.slices)

    @property
    def p99(self) -> float:
        return median(each.load.p99 for each in self.slices)

    @property
    def tail(self) -> float:
        """p99 over p50, slice by slice."""
        return median(each.load.p99 / each.load.p50 for each in self.slices)


def measure(server: Server, workload: Workload, *, connections: int, seconds: float, query: str = "") -> Slice:
    spent = server.cpu_seconds()
    url = f"{server.url}{workload.path}{query}"
    load = drive(url, workload.bodies, workload.headers, connections=connections, seconds=seconds)
    return Slice(load, (server.cpu_seconds() - spent) / load.requests * 1e6)


def in_turn(calls: Sequence[Callable[[], T]], slices: int) -> list[tuple[T, ...]]:
    """First, second, first, second …: the results of each."""
    rounds = [[call() for call in calls] for _ in range(slices)]
    return list(zip(*rounds, strict=True))


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of neighbours in time, which noise moves less than the ratio of the medians."""
    return median(first / second for first, second in zip(over, under, strict=True))
