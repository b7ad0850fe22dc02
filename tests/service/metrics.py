"""What a service says of itself at /metrics."""

import re

import httpx2


def counted(url: str, name: str) -> float:
    """Over all labels."""
    return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", httpx2.get(f"{url}/metrics").text, re.MULTILINE)))
