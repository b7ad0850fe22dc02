"""The profile `scale` of docker-compose.yml: replicas that come and go behind the proxy."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from benchmarks.kills import Callers
from tests.conftest import ROOT, eventually
from tests.container import DIGIT, Scaled
from tests.test_docker import has_docker

PROXY = (ROOT / "deploy/haproxy.cfg").read_text()
IMAGE = re.findall(r"image: (haproxy:\S+)", (ROOT / "docker-compose.yml").read_text())[0]
ASK_ITSELF = """
import json, sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:8000/v1/models/lenet5-mnist/predict", data=sys.stdin.buffer.read())
except urllib.error.HTTPError as error:
    print(json.dumps(error.code))
"""


def has_image() -> bool:
    asked = [["docker", "image", "inspect", IMAGE], ["docker", "pull", "--quiet", IMAGE]]
    return has_docker() and any(
        subprocess.run(each, capture_output=True, check=False).returncode == 0 for each in asked
    )


pytestmark = [
    pytest.mark.skipif(not has_image(), reason=f"no Docker Engine answers, or it can not get {IMAGE}"),
    pytest.mark.timeout(900),
]


def begin(scaled: Scaled) -> None:
    scaled.compose("up", "--build", "--detach", "--wait")
    eventually(lambda: scaled.ready() == 2)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    given = Scaled(tmp_path_factory.mktemp("scaled"), PROXY)
    try:
        begin(given)
        yield given
    finally:
        given.compose("down", "--timeout", "1", "--volumes", "--remove-orphans")


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


def under_load(scaled: Scaled, *changes: Callable[[], object]) -> Callers:
    """Each change is made when there were a thousand good answers more."""
    callers = Callers(scaled.url)

    async def ask() -> None:
        load = asyncio.create_task(callers.ask())
        try:
            for change in changes:
                await more(callers)
                await asyncio.to_thread(change)
            await more(callers)
        finally:
            callers.stop()
            await load

    asyncio.run(ask())
    callers.tell()
    return callers


async def more(callers: Callers) -> None:
    enough = len(callers.latencies) + 1000
    await asyncio.to_thread(eventually, lambda: len(callers.latencies) >= enough)


def kill(scaled: Scaled) -> None:
    """The system kills the service itself: its container ends without a word."""
    docker("kill", "--signal", "KILL", scaled.containers("replica")[0])


def back(scaled: Scaled) -> None:
    scaled.compose("up", "--detach", "--wait", "--no-recreate")
    eventually(lambda: scaled.ready() == 2)


def test_one_is_stopped_and_no_request_is_lost(scaled: Scaled) -> None:
    (first,) = scaled.containers("maxpool")
    assert under_load(scaled, lambda: docker("stop", "--time", "45", first), lambda: back(scaled)).wrong == []


def test_one_is_killed_and_no_request_is_lost(scaled: Scaled) -> None:
    assert under_load(scaled, lambda: kill(scaled), lambda: back(scaled)).wrong == []


def test_more_replicas_are_found_and_fewer_too_and_no_request_is_lost(scaled: Scaled) -> None:
    def scale(count: int) -> None:
        scaled.compose("up", "--detach", "--wait", "--no-recreate", "--scale", f"replica={count}")
        eventually(lambda: scaled.ready() == 1 + count)

    assert under_load(scaled, lambda: scale(3), lambda: scale(1)).wrong == []


def test_one_that_never_becomes_ready_harms_nobody(scaled: Scaled) -> None:
    """Its models folder is empty. Where it is the only one that is left, it says so itself; where none is, the proxy
    says that."""
    never = scaled.compose("run", "--detach", "--use-aliases", "--env", "MAXPOOL_MODELS=/srv", "replica").strip()
    try:
        asked = ["docker", "exec", "--interactive", never, "python", "-c", ASK_ITSELF]
        eventually(lambda: subprocess.run(asked, input=DIGIT, capture_output=True, check=False).stdout == b"404\n")
        assert under_load(scaled).wrong == []
        assert scaled.ready() == 2

        scaled.compose("stop", "maxpool", "replica")
        eventually(lambda: scaled.ready() == 0)
        eventually(lambda: scaled.predict().status_code == 404)
        assert scaled.predict().json()["reason"] == "UnknownModel"
        not_ready = httpx2.get(f"{scaled.url}/readyz")
        assert (not_ready.status_code, not_ready.json()["reason"]) == (503, "Unavailable")
    finally:
        docker("rm", "--force", never)
    eventually(lambda: "no replica" in scaled.predict().json()["error"])
    none = scaled.predict()
    assert (none.status_code, none.headers["retry-after"]) == (503, "1")
    assert json.loads(none.text)["reason"] == "Unavailable"


def test_without_the_second_try_requests_are_lost(tmp_path: Path) -> None:
    """What the proof above is worth."""
    once = re.sub(r"(?m)^ +(retry-on|option redispatch) .*\n", "", PROXY).replace("retries 3", "retries 0")
    assert once.count("retr") < PROXY.count("retr")
    scaled = Scaled(tmp_path, once)
    try:
        begin(scaled)
        assert under_load(scaled, lambda: kill(scaled)).outcomes["503"] > 0
    finally:
        scaled.compose("down", "--timeout", "1", "--volumes")
