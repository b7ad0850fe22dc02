"""The page's files, the examples and the live sums, over plain HTTP."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT, eventually, plain, serving
from tests.service.keyholders import ALL, write_keys

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FILES = sorted(path.name for path in (ROOT / "service" / "page").iterdir())
MOST_LINES = 250


def test_a_browser_gets_the_page_and_a_program_that_the_process_lives(http: httpx2.Client) -> None:
    page = http.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Maxpool" in page.text
    assert http.get("/").json() == {"status": "alive"}
    assert "accept" in http.get("/").headers["vary"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_sent_once_and_then_known_by_its_tag(http: httpx2.Client, name: str) -> None:
    first = http.get(f"/page/{name}", headers={"accept-encoding": "identity"})
    assert first.content == (ROOT / "service" / "page" / name).read_bytes()
    assert first.headers["x-content-type-options"] == "nosniff"
    again = http.get(
        f"/page/{name}", headers={"accept-encoding": "identity", "if-none-match": f'"other", {first.headers["etag"]}'}
    )
    assert (again.status_code, again.content) == (304, b"")
    packed = http.get(f"/page/{name}", headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]})
    assert packed.status_code == 200  # other bytes, another tag
    assert packed.content == first.content
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] != first.headers["etag"]


def test_the_policy_lets_nothing_in_from_elsewhere(http: httpx2.Client) -> None:
    policy = dict(
        part.split(" ", 1) for part in http.get("/", headers=BROWSER).headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert not any("unsafe" in sources or "http" in sources for sources in policy.values())


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fsettings.py", "page.py", "%00", "a/b.js"])
def test_what_is_no_file_of_the_page_is_not_found_in_json(http: httpx2.Client, name: str) -> None:
    answer = http.get(f"/page/{name}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "NotFound"


def test_all_of_the_page_is_small() -> None:
    """Packed as it is sent."""
    assert sum(len(gzip.compress((ROOT / "service" / "page" / name).read_bytes())) for name in FILES) < 40_000


def test_each_module_is_one_noun_of_a_page_or_three() -> None:
    for name in FILES:
        assert len((ROOT / "service" / "page" / name).read_text().splitlines()) <= MOST_LINES, name


@pytest.fixture(scope="module")
def without(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = write_keys(tmp_path_factory.mktemp("keys") / "keys")
    with serving(models=tiny_models, workers=1, page=0, keys_file=keys) as url:
        yield url


def test_one_setting_removes_the_page(without: str) -> None:
    """And with it what is open to all where there are keys."""
    assert httpx2.get(f"{without}/", headers=BROWSER).json() == {"status": "alive"}
    assert httpx2.get(f"{without}/page/main.js").status_code == 401
    assert httpx2.get(f"{without}/page/main.js", headers=ALL).status_code == 404


def test_examples_are_the_golden_inputs_as_they_are_sent_to_predict(http: httpx2.Client) -> None:
    told = http.get("/v1/models/colour/examples").json()["examples"]
    assert [(example["label"], example["kind"]) for example in told] == [
        ("red", "image"),
        ("green", "image"),
        ("blue", "image"),
    ]
    picture = http.get("/v1/models/colour/examples/1")
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.content == plain("lime")
    sentences = http.get("/v1/models/length/examples").json()["examples"]
    assert [example["sentence"] for example in sentences] == ["so it goes", "a film that goes on and on"]
    assert http.get("/v1/models/length/examples/0").text == "so it goes"


@pytest.mark.parametrize(
    ("path", "status"),
    [("colour/examples/3", 400), ("colour/examples/-1", 400), ("colour/examples/x", 400), ("none/examples", 404)],
)
def test_other_examples_are_refused(http: httpx2.Client, path: str, status: int) -> None:
    assert http.get(f"/v1/models/{path}").status_code == status


def test_the_live_sums_count_each_answer_of_whatever_process(http: httpx2.Client) -> None:
    def length() -> dict[str, float]:
        (told,) = [model for model in http.get("/v1/live").json()["models"] if model["name"] == "length"]
        return told

    before = length()
    for _ in range(3):
        http.post("/v1/models/length/predict", content="so it goes", headers={"content-type": "text/plain"})
    eventually(lambda: length()["requests"] == before["requests"] + 3)
    after = length()
    assert after["rows"] == before["rows"] + 3
    assert after["seconds"] > before["seconds"]
    assert after["waiting"] == 0
