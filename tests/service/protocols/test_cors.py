"""Pages of other origins: what a browser would be told."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import plain, serving
from tests.service.keyholders import ALL, write_keys

ORIGIN = {"origin": "https://app.example"}
STRANGER = {"origin": "https://app.example.evil"}
ROAD = "/v1/models/colour/predict"
ROUTES = (ROAD, "/v2/models/colour/infer", "/v1/models", "/v2/models/stats")
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def http(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    keys = write_keys(tmp_path_factory.mktemp("keys") / "keys")
    origins = "http://localhost:3000, https://app.example"
    with (
        serving(models=tiny_models, workers=1, keys_file=keys, cors_origins=origins) as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def preflight(http: httpx2.Client, path: str, origin: dict[str, str], method: str, *headers: str) -> httpx2.Response:
    asked = {"access-control-request-method": method, "access-control-request-headers": ", ".join(headers)}
    return http.options(path, headers=origin | asked)


@pytest.mark.parametrize("path", ROUTES)
def test_a_browser_that_asks_first_needs_no_key(http: httpx2.Client, path: str) -> None:
    headers = ("authorization", "content-type", "x-request-timeout-ms", "traceparent")
    answer = preflight(http, path, ORIGIN, "POST", *headers)
    assert answer.status_code == 200
    assert answer.headers[ALLOWED] == "https://app.example"
    assert set(headers) <= set(answer.headers["access-control-allow-headers"].lower().split(", "))
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["x-request-id"]


def test_what_is_not_allowed_is_refused_as_everything_else(http: httpx2.Client) -> None:
    for answer in (
        preflight(http, ROAD, STRANGER, "POST"),
        preflight(http, ROAD, {"origin": "null"}, "POST"),
        preflight(http, ROAD, ORIGIN, "DELETE"),
        preflight(http, ROAD, ORIGIN, "POST", "cookie"),
    ):
        assert answer.status_code == 400
        assert "MAXPOOL_CORS_ORIGINS" in answer.json()["error"]
        assert answer.headers["x-request-id"]
    assert ALLOWED not in preflight(http, ROAD, STRANGER, "POST").headers


def test_answers_and_errors_can_be_read_by_those_pages_alone(http: httpx2.Client) -> None:
    for path in ROUTES:
        for key in ({}, ALL):
            answer = http.request("POST" if "colour" in path else "GET", path, headers=ORIGIN | key)
            assert (answer.status_code == 401) == (not key)
            assert answer.headers[ALLOWED] == "https://app.example"
            assert "origin" in answer.headers["vary"].lower()
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"server-timing", "retry-after", "x-request-id"} <= set(exposed)
    answer = http.post(ROAD, headers=ORIGIN | ALL, content=plain("red"))
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, "https://app.example")
    for headers in (STRANGER | ALL, ALL):
        answer = http.post(ROAD, headers=headers, content=plain("red"))
        assert answer.status_code == 200
        assert ALLOWED not in answer.headers


def test_without_the_setting_there_are_no_such_headers(tiny_url: str) -> None:
    answer = httpx2.post(f"{tiny_url}{ROAD}", headers=ORIGIN, content=plain("red"))
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    with httpx2.Client(base_url=tiny_url) as http:
        assert preflight(http, ROAD, ORIGIN, "POST").status_code == 405
