"""What clients get through deploy/nginx.conf.template where no replica can answer. That nothing is lost where one can:
tests/benchmarks/test_replicas.py."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from benchmarks import replicas
from benchmarks.replicas import NGINX, proxy
from tests.conftest import plain, started
from tests.service.slow import ROAD, write_slow

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx")
CALLERS = 12


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """The ports of two replicas with room for one row each."""
    models = tmp_path_factory.mktemp("models")
    write_slow(models / "slow" / "1")
    with ExitStack() as stack:
        room = {"MAXPOOL_QUEUE_ROWS": "1"}
        urls = [stack.enter_context(started(models, workers=1, **room))[1] for _ in range(2)]
        yield [int(url.rpartition(":")[2]) for url in urls]


def told(answer: httpx2.Response) -> tuple[int, str, bool]:
    return answer.status_code, answer.json().get("reason", ""), "retry-after" in answer.headers


def asked(url: str) -> set[tuple[int, str, bool]]:
    with ThreadPoolExecutor(CALLERS) as pool, httpx2.Client(timeout=60) as client:
        answers = pool.map(lambda _: client.post(f"{url}{ROAD}", content=plain("red")), range(5 * CALLERS))
        return {told(answer) for answer in answers}


def test_where_all_are_overloaded_the_service_says_so_and_goes_on(full: list[int]) -> None:
    with proxy(full, once=False) as url:
        assert asked(url) == {(200, "", False), (503, "Overloaded", True)}


def test_a_503_taken_for_a_failure_would_leave_nobody_to_ask(
    full: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why nginx is not told to ask another one then."""
    spoiled = tmp_path / "nginx.conf.template"
    spoiled.write_text(replicas.TEMPLATE.read_text().replace("error timeout non", "error timeout http_503 non"))
    assert spoiled.read_text() != replicas.TEMPLATE.read_text()
    monkeypatch.setattr(replicas, "TEMPLATE", spoiled)
    with proxy(full, once=False) as url:
        assert (503, "Unavailable", True) in asked(url)


def test_where_none_is_left_nginx_says_so_as_the_service_would(tiny_models: Path) -> None:
    with ExitStack() as up:
        with ExitStack() as replica:
            _, own = replica.enter_context(started(tiny_models, workers=1))
            url = up.enter_context(proxy([int(own.rpartition(":")[2])], once=False))
            too_large = httpx2.post(f"{url}{ROAD}", content=bytes(64 * 1024 * 1024 + 1), timeout=60)
            assert told(too_large) == (413, "InputTooLarge", False)
        assert told(httpx2.post(f"{url}{ROAD}", content=plain("red"))) == (503, "Unavailable", True)
