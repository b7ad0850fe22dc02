"""A Prometheus with our own files, but for where it finds the service, and that it asks every second and waits for
nothing."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import ROOT, answers, free_port, wait_until

Ask = Callable[[str], list[dict[str, str]]]


@contextmanager
def prometheus(folder: Path, url: str) -> Iterator[Ask]:
    """Answers a query with the labels of what it finds, and the value as one of them."""
    ours = ROOT / "deploy/prometheus"
    found = f"static_configs: [{{targets: ['{url.removeprefix('http://')}']}}]"
    config = re.sub(r"dns_sd_configs: .*replicas.*", found, (ours / "prometheus.yml").read_text())
    (folder / "prometheus.yml").write_text(config.replace("_interval: 15s", "_interval: 1s"))
    (folder / "rules.yml").write_text(re.sub(r" for: \w+", " for: 0s", (ours / "rules.yml").read_text()))
    own = f"127.0.0.1:{free_port()}"
    places = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = ["prometheus", *places, f"--web.listen-address={own}", "--log.level=error"]
    with subprocess.Popen(command) as process:

        def ask(query: str) -> list[dict[str, str]]:
            answer = httpx2.get(f"http://{own}/api/v1/query", params={"query": query}).json()
            found: list[dict[str, Any]] = answer["data"]["result"]
            return [{**each["metric"], "value": each["value"][1]} for each in found]

        try:
            wait_until(lambda: answers(f"http://{own}/-/ready"), process)
            yield ask
        finally:
            process.terminate()
