"""A running service takes up what is put into its models folder."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import eventually, plain, serving, write_colour, write_length


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A models folder with `colour`, and the URL of a server of it."""
    write_colour(tmp_path / "models" / "colour" / "1")
    with serving(models=tmp_path / "models", workers=1, reload_seconds=1) as url:
        yield tmp_path / "models", url


def statuses(url: str) -> dict[tuple[str, str], str]:
    return {(m["name"], m["version"]): m["status"] for m in httpx2.get(f"{url}/v1/models").json()["models"]}


def test_a_new_version_answers_and_no_request_is_lost_meanwhile(served: tuple[Path, str], tmp_path: Path) -> None:
    models, url = served
    versions: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx2.Client() as http:
            while not stop.is_set():
                answer = http.post(f"{url}/v1/models/colour/predict", content=plain("red"))
                versions.append(answer.json()["version"] if answer.status_code == 200 else answer.text)

    caller = threading.Thread(target=ask)
    caller.start()
    eventually(lambda: bool(versions))
    write_colour(tmp_path / "colour" / "2").rename(models / "colour" / "2")
    write_length(tmp_path / "length" / "1")
    (tmp_path / "length").rename(models / "length")
    eventually(lambda: len(statuses(url)) == 3)
    eventually(lambda: versions[-1] == "2")
    stop.set()
    caller.join()
    assert versions == sorted(versions)
    assert set(versions) == {"1", "2"}
    old = httpx2.post(f"{url}/v1/models/colour/versions/1/predict", content=plain("red"))
    assert old.json()["version"] == "1"
    assert httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": "so it goes"}).status_code == 200


def test_a_refused_version_leaves_the_old_one_serving_and_can_be_mended(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    models, url = served
    broken = write_colour(tmp_path / "colour" / "2")
    graph = (broken / "model.onnx").read_bytes()
    (broken / "model.onnx").write_bytes(graph[:-1])
    broken.rename(models / "colour" / "2")
    eventually(lambda: statuses(url).get(("colour", "2")) == "refused")
    assert httpx2.get(f"{url}/readyz").status_code == 200
    assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).json()["version"] == "1"
    (models / "colour" / "2" / "model.onnx").write_bytes(graph)
    eventually(lambda: statuses(url).get(("colour", "2")) == "ready")
    assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).json()["version"] == "2"


def test_going_back_is_taking_the_newest_version_out(served: tuple[Path, str], tmp_path: Path) -> None:
    models, url = served
    write_colour(tmp_path / "colour" / "10").rename(models / "colour" / "10")
    eventually(lambda: ("colour", "10") in statuses(url))
    shutil.move(models / "colour" / "10", tmp_path / "out")
    eventually(lambda: ("colour", "10") not in statuses(url))
    assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).json()["version"] == "1"
    assert httpx2.post(f"{url}/v1/models/colour/versions/10/predict", content=plain("red")).status_code == 404


def test_a_models_folder_that_is_gone_for_a_while_drops_nothing(served: tuple[Path, str], tmp_path: Path) -> None:
    models, url = served
    models.rename(tmp_path / "elsewhere")
    time.sleep(2.5)  # two looks
    assert httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).status_code == 200
    write_colour(tmp_path / "elsewhere" / "colour" / "2")
    (tmp_path / "elsewhere").rename(models)
    eventually(lambda: statuses(url).get(("colour", "2")) == "ready")


def test_a_version_that_can_not_be_read_is_refused_and_read_again_when_it_can(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    models, url = served
    unreadable = write_length(tmp_path / "length" / "1")
    (unreadable / "model.onnx").unlink()
    (unreadable / "model.onnx").mkdir()
    write_colour(tmp_path / "colour" / "2").rename(models / "colour" / "2")
    (tmp_path / "length").rename(models / "length")
    eventually(lambda: statuses(url).get(("length", "1")) == "refused")
    eventually(lambda: statuses(url).get(("colour", "2")) == "ready")
    shutil.rmtree(models / "length")
    write_length(tmp_path / "length" / "1")
    (tmp_path / "length").rename(models / "length")
    eventually(lambda: statuses(url).get(("length", "1")) == "ready")
    assert httpx2.get(f"{url}/readyz").status_code == 200
