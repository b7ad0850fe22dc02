"""What the service itself has counted, from its /metrics, over all worker processes."""

import re
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field

SAMPLE = re.compile(
    r"^maxpool_(received|requests|cancelled|rejected|refused_connections|batch_rows)_(total|count|sum)"
    r"(?:\{(.*)\})? (\S+)$",
    re.MULTILINE,
)
PATIENCE = 60  # seconds for what is under way to end


@dataclass
class Counters:
    received: int = 0
    answered: Counter[int] = field(default_factory=Counter)  # by code
    cancelled: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    refused_connections: Counter[int] = field(default_factory=Counter)  # by code
    runs: int = 0  # of a graph
    rows: int = 0  # in them

    @property
    def under_way(self) -> int:
        return self.received - self.answered.total() - self.cancelled


def scrape(url: str) -> Counters:
    with urllib.request.urlopen(f"{url}/metrics", timeout=PATIENCE) as answer:
        return read(answer.read().decode())


def read(text: str) -> Counters:
    found = Counters()
    for name, kind, labels, value in SAMPLE.findall(text):
        said, count = dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(float(value))
        if name == "received":
            found.received += count
        elif name == "requests":
            found.answered[int(said["code"])] += count
        elif name == "cancelled":
            found.cancelled += count
        elif name == "rejected":
            found.rejected[said["reason"]] += count
        elif name == "refused_connections":
            found.refused_connections[int(said["code"])] += count
        elif kind == "count":
            found.runs += count
        else:
            found.rows += count
    return found


def at_rest(url: str) -> Counters:
    """When nothing is under way any more, or has not ended in all this time."""
    deadline = time.monotonic() + PATIENCE
    while (found := scrape(url)) != scrape(url) or found.under_way:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return found
