"""A service with keys: what needs one, for what each is good, and that no route is forgotten."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.app import create_app
from service.protocols.door import ADMINISTRATION, OPEN
from service.settings import Settings
from tests.conftest import ROOT, children, eventually, free_port, plain, serving, two_workers
from tests.service.administrator import ADMIN
from tests.service.administrator import KEY as ADMIN_KEY
from tests.service.keyholders import ALL, KEYS, MONITOR, PAINTER, bearer, digest, entry, write_keys
from tests.service.slow import write_slow
from tests.service.test_connection import answer_to, codes

SENTENCE = {"inputs": "hello"}
PREDICTIONS = {  # path -> a request for the model of colours
    "/v1/models/colour/predict": {"content": plain("red")},
    "/v1/models/colour:predict": {"json": {"instances": []}},
    "/v2/models/colour/infer": {"json": {}},
    "/models/colour": {"content": plain("red")},
    "/predictions/colour": {"content": plain("red")},
    "/invocations": {"content": plain("red")},
    "/vertex/predict": {"json": {"instances": []}},
}
ROUTES = {"predict_route": "/vertex/predict", "health_route": "/vertex/health", "default_model": "colour,length"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "admin").write_text(digest(ADMIN_KEY))
    return {"keys_file": write_keys(folder / "keys"), "admin_key_file": folder / "admin"}


@pytest.fixture(scope="module")
def http(tiny_models: Path, files: dict[str, Path]) -> Iterator[httpx2.Client]:
    with (
        serving(models=tiny_models, workers=2, **files, **ROUTES) as url,
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def routes(tiny_models: Path, files: dict[str, Path]) -> set[tuple[str, str]]:
    """Method and path of all there are: those of the router, and those of the OpenAPI document."""
    app = create_app(Settings(models=tiny_models, keys_file=str(files["keys_file"]), **ROUTES))
    found = {
        (method, context.path) for context in iter_route_contexts(app.routes) for method in context.methods or {"GET"}
    }
    found |= {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}
    return {(method, path.replace("{name}", "colour").replace("{version}", "1")) for method, path in found}


def is_open(path: str) -> bool:
    return path in OPEN or path == ROUTES["health_route"]


def unprotected(client: httpx2.Client, routes: set[tuple[str, str]]) -> set[str]:
    """Paths that answer who has no key, or a wrong one, in any other way than 401."""
    return {
        path
        for method, path in routes
        if not is_open(path)
        for headers in ({}, bearer("nobody's"), {"authorization": f"Basic {KEYS['all']}"})
        if client.request(method, path, headers=headers).status_code != 401
    }


def test_every_route_needs_a_key_but_health(http: httpx2.Client, routes: set[tuple[str, str]]) -> None:
    paths = {path for _, path in routes}
    assert len(paths) > 40
    assert {*PREDICTIONS, "/v1/models", "/metrics", "/openapi.json", "/docs", "/v2/repository/index"} <= paths
    assert unprotected(http, routes) == set()
    for path in (path for path in paths if is_open(path)):
        assert http.get(path).status_code == 200


def test_the_check_of_the_routes_finds_one_that_is_open(
    tiny_models: Path, files: dict[str, Path], routes: set[tuple[str, str]]
) -> None:
    with (
        serving(models=tiny_models, workers=1, **files, **{**ROUTES, "health_route": "/v1/models"}) as url,
        httpx2.Client(base_url=url) as client,
    ):
        assert unprotected(client, routes) == {"/v1/models"}


def test_what_is_open_has_no_route_beneath_it(routes: set[tuple[str, str]]) -> None:
    """The path that the door looks at is the one that the router looks at."""
    health = {path for _, path in routes if is_open(path)}
    assert health == {*OPEN, ROUTES["health_route"]}
    assert {path for _, path in routes if ADMINISTRATION.fullmatch(path)} == {
        *(f"/v2/repository/models/colour/{verb}" for verb in ("load", "unload")),
        *(f"/v1/models/colour/rollout/{verb}" for verb in ("promote", "rollback")),
    }


@pytest.mark.parametrize(
    "path", ["/healthz/../v1/models", "//v1/models", "/v1/models/", "/healthz/", "/HEALTHZ", "/%2e"]
)
def test_a_path_that_is_nearly_open_is_not(http: httpx2.Client, path: str) -> None:
    url = str(http.base_url)
    for target in (path, f"http://x{path}", f"{path}?a=/healthz", path.replace("/v1", "/%76%31")):
        head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert codes(answer_to(url.rstrip("/"), head.encode())) == [401]


def test_a_host_that_would_be_a_path_is_refused_on_every_route(
    http: httpx2.Client, routes: set[tuple[str, str]]
) -> None:
    url = str(http.base_url).rstrip("/")
    for method, path in sorted(routes):
        for host in ("x/healthz?", "a/b?c=", "x#y"):
            head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            assert codes(answer_to(url, head.encode())) == [400]


def test_who_has_no_key_is_told_what_is_expected(http: httpx2.Client) -> None:
    for path, request in PREDICTIONS.items():
        answer = http.post(path, **request)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["error"]
    assert http.post("/predictions/colour").json()["code"] == 401
    assert http.put("/predictions/colour").json()["code"] == 401
    assert http.post("/predict").json()["error_type"]


def test_a_key_is_for_its_models_in_every_dialect(http: httpx2.Client) -> None:
    for path, request in PREDICTIONS.items():
        assert http.post(path, headers=PAINTER, **request).status_code in (200, 400)  # some are no good requests
        assert http.post(path, headers=ALL, **request).status_code in (200, 400)
        refused = http.post(path, headers=MONITOR, **request)
        assert (refused.status_code, "not for predictions" in refused.json()["error"]) == (403, True)
        other = path.replace("colour", "length")
        if other != path:
            assert http.post(other, headers=PAINTER, json=SENTENCE).status_code == 403
    assert http.post("/predict", headers=PAINTER, json=SENTENCE).status_code == 403
    assert http.put("/predictions/length", headers=PAINTER, json=SENTENCE).status_code == 403
    assert http.post(f"/v1/models/{'x' * 600}/predict", headers=PAINTER).status_code == 404


def test_any_key_shows_what_there_is(http: httpx2.Client) -> None:
    for path in ("/v1/models", "/v1/models/length", "/v2/models/length", "/v2/models/stats", "/metrics", "/docs"):
        assert http.get(path, headers=MONITOR).status_code == 200
    assert http.get("/nowhere", headers=MONITOR).status_code == 404
    assert http.get("/nowhere").status_code == 401
    assert 'maxpool_rejected_total{reason="Unauthorized"}' in http.get("/metrics", headers=MONITOR).text


def counted(client: httpx2.Client) -> float:
    """Of all worker processes: requests without a right key."""
    text = client.get("/metrics", headers=MONITOR).text
    return sum(
        float(count) for count in re.findall(r'^maxpool_rejected_total\{reason="Unauthorized"\} (\S+)', text, re.M)
    )


def test_the_administrator_s_key_and_the_others_are_apart(http: httpx2.Client) -> None:
    load = "/v2/repository/models/colour/load"
    assert http.post("/v1/models/colour/predict", headers=ADMIN, content=plain("red")).status_code == 401
    assert http.get("/v1/models", headers=ADMIN).status_code == 401
    guesses = counted(http)
    assert http.post(load, headers=ALL).status_code == 401
    assert http.post("/v1/models/colour/rollout/promote", headers=bearer("a guess")).status_code == 401
    assert counted(http) == guesses + 2
    assert http.post(load, headers=ADMIN).status_code == 200


def test_the_document_says_where_a_key_is_needed(http: httpx2.Client) -> None:
    document = http.get("/openapi.json", headers=ALL).json()
    assert document["security"] == [{"ApiKey": []}]
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    for path in OPEN:
        if path in document["paths"]:
            assert document["paths"][path]["get"]["security"] == []
    assert {"401", "403", "429"} <= document["paths"]["/v1/models/{name}/predict"]["post"]["responses"].keys()


def test_keys_are_changed_while_all_workers_run_and_one_of_them_dies(tiny_models: Path, tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys", entry("turning", "old"))
    with two_workers(tiny_models, MAXPOOL_KEYS_FILE=str(file)) as (pid, url):

        def answers(key: str) -> set[int]:
            """Of both workers, to which new connections go in turn."""
            return {httpx2.get(f"{url}/v1/models", headers=bearer(key)).status_code for _ in range(6)}

        assert (answers("old"), answers("new")) == ({200}, {401})
        write_keys(file, entry("turning", "old", "new"))
        eventually(lambda: answers("new") == {200})
        assert answers("old") == {200}
        write_keys(file, entry("turning", "new"))
        eventually(lambda: answers("old") == {401})
        file.write_text("broken")
        time.sleep(0.5)
        before = children(pid)
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(children(pid) - before) == 1)
        eventually(lambda: answers("new") == {200})
        assert answers("old") == {401}


def test_a_rate_is_of_all_workers_together(tiny_models: Path, tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys", entry("hasty", "hasty", rate=0.01, burst=10))
    with two_workers(tiny_models, MAXPOOL_KEYS_FILE=str(file)) as (_, url):
        given = [httpx2.get(f"{url}/v2", headers=bearer("hasty")) for _ in range(20)]
        assert [answer.status_code for answer in given] == [200] * 10 + [429] * 10
        assert 90 <= int(given[-1].headers["retry-after"]) <= 100
        assert "0.01 requests a second" in given[-1].json()["error"]
        assert httpx2.post(f"{url}/predictions/colour", headers=bearer("hasty")).json()["code"] == 429
        assert httpx2.get(f"{url}/v2", headers=ALL).status_code == 200
        assert httpx2.get(f"{url}/healthz", headers=bearer("hasty")).status_code == 200


def test_no_more_than_so_many_requests_of_a_key_are_under_way(tmp_path: Path) -> None:
    write_slow(tmp_path / "models" / "slow" / "1")
    file = write_keys(tmp_path / "keys", entry("busy", "busy", concurrency=2))
    with two_workers(tmp_path / "models", MAXPOOL_KEYS_FILE=str(file)) as (_, url):
        answered: list[int] = []

        def ask() -> None:
            answer = httpx2.post(
                f"{url}/v1/models/slow/predict", headers=bearer("busy"), content=plain("red"), timeout=60
            )
            answered.append(answer.status_code)

        def ask_at_once(count: int) -> list[int]:
            answered.clear()
            callers = [threading.Thread(target=ask) for _ in range(count)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            return sorted(answered)

        codes = ask_at_once(8)
        assert codes[0] == 200
        assert codes[-1] == 429
        assert codes.count(429) >= 3
        assert ask_at_once(2) == [200, 200]
        late = httpx2.post(
            f"{url}/v1/models/slow/predict",
            headers=bearer("busy") | {"x-request-timeout-ms": "1"},
            content=plain("red"),
        )
        assert late.status_code == 504
        assert ask_at_once(2) == [200, 200]


@pytest.mark.parametrize("settings", [{}, {"MAXPOOL_KEYS_FILE": "nowhere"}])
def test_an_open_address_without_keys_is_refused_with_the_remedy(settings: dict[str, str]) -> None:
    environ = {**os.environ, "MAXPOOL_HOST": "0.0.0.0", "MAXPOOL_PORT": str(free_port()), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "service"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert re.match("maxpool: MAXPOOL_(HOST is 0.0.0.0.*MAXPOOL_KEYS_FILE|KEYS_FILE is nowhere)", ended.stderr)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("keys", [True, False])
def test_an_open_address_is_served_with_keys_or_with_the_word_for_it(
    tiny_models: Path, files: dict[str, Path], keys: bool
) -> None:
    settings = {"keys_file": files["keys_file"]} if keys else {"allow_anonymous": 1}
    with serving(models=tiny_models, workers=1, host="0.0.0.0", **settings) as url:
        assert httpx2.get(f"{url}/v1/models").status_code == (401 if keys else 200)


def test_the_image_needs_one_of_the_two_and_the_compose_file_shows_it() -> None:
    assert "MAXPOOL_HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text()
    assert "MAXPOOL_ALLOW_ANONYMOUS=1" not in re.sub(r"#.*", "", (ROOT / "Dockerfile").read_text())
    compose = (ROOT / "docker-compose.yml").read_text()
    assert re.search(r"^ +MAXPOOL_ALLOW_ANONYMOUS: 1 #", compose, re.MULTILINE)
    ports = re.findall(r"^ +- \"(.+:.+:\d+)\"", compose, re.MULTILINE)
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
