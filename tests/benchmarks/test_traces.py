import httpx2

from benchmarks.traces import collector
from tests.conftest import eventually


def test_the_collector_takes_what_is_sent() -> None:
    with collector() as (url, taken):
        eventually(lambda: takes(url))
        assert taken.value == 5


def takes(url: str) -> bool:
    try:
        return httpx2.post(f"{url}/v1/traces", content=b"spans").status_code == 200
    except httpx2.TransportError:
        return False
