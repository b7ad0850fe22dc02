"""A running service of two workers whose models are changed under its hands: by its administrator, in its folder."""

import hashlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.conftest import children, colour_graph, eventually, plain, write_colour, write_length
from tests.service.administrator import ADMIN, KEY, administered, control

WORKERS = 2


def write_version(models: Path, version: str) -> None:
    """colour, with its version in each label: put in place as a whole."""
    folder = write_colour(models.parent / "coming" / "colour" / version)
    spec = json.loads((folder / "model.json").read_text())
    spec["labels"] = [f"{label} {version}" for label in spec["labels"]]
    (folder / "model.json").write_text(json.dumps(spec))
    folder.rename(models / "colour" / version)


def ask(http: httpx2.Client | Any, url: str) -> tuple[int, str]:
    """Status, and the version by the answer's own word and by its labels."""
    answer = http.post(f"{url}/v1/models/colour/predict", content=plain("red"))
    if answer.status_code != 200:
        return answer.status_code, answer.json()["error"]
    (prediction,) = answer.json()["predictions"]
    labels = {each["label"] for each in prediction["top"]} if "top" in prediction else {prediction["label"]}
    versions = {label.partition(" ")[2] for label in labels} | {answer.json()["version"]}
    return 200, " ".join(sorted(versions))


def ask_each_worker(url: str) -> set[tuple[int, str]]:
    """New connections are dealt out in turn."""
    return {ask(httpx2, url) for _ in range(2 * WORKERS)}


def index(url: str) -> dict[tuple[str, str], tuple[str, str]]:
    entries = httpx2.post(f"{url}/v2/repository/index").json()
    return {(each["name"], each["version"]): (each["state"], each["reason"]) for each in entries}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "colour").mkdir(parents=True)
    write_version(tmp_path / "models", "1")
    write_length(tmp_path / "models" / "length" / "1")
    return tmp_path / "models"


def test_only_the_key_loads_and_unloads(models: Path) -> None:
    with administered(models, MAXPOOL_RELOAD_SECONDS="0") as (_, url):
        path = f"{url}/v2/repository/models/colour/unload"
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        for wrong in ("", f"Bearer {KEY}x", KEY, f"Basic {KEY}", f"Bearer sha256:{digest}", f"Bearer {digest}"):
            refused = httpx2.post(path, headers={"Authorization": wrong} if wrong else {})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert KEY not in refused.text
        assert ask_each_worker(url) == {(200, "1")}
        for name, status in (("nothing", 404), ("..", 404), ("%2e%2e%2fcolour", 404), ("COLOUR", 404)):
            for verb in ("load", "unload"):
                assert control(url, name, verb).status_code == status
        for body in (
            {"parameters": {"config": "{}"}},
            {"parameters": {"file:1/model.onnx": "AAAA"}},
            [],
            {"parameters": 1},
        ):
            answer = httpx2.post(f"{url}/v2/repository/models/colour/load", headers=ADMIN, json=body)
            assert answer.status_code == 400
        assert ask_each_worker(url) == {(200, "1")}
        ignored = {"parameters": {"unload_dependents": True}}
        assert httpx2.post(path, headers=ADMIN, json=ignored).status_code == 200


def test_after_a_load_or_an_unload_every_worker_is_of_one_mind(models: Path) -> None:
    with administered(models, MAXPOOL_RELOAD_SECONDS="0") as (_, url):
        for version in ("2", "3"):
            write_version(models, version)
            assert control(url, "colour", "load").status_code == 200
            assert ask_each_worker(url) == {(200, version)}
        assert control(url, "colour", "unload").status_code == 200
        ((status, reason),) = ask_each_worker(url)
        assert status == 404
        assert "unloaded" in reason
        assert httpx2.get(f"{url}/readyz").status_code == 200
        assert index(url) == {
            ("length", "1"): ("READY", ""),
            **{("colour", version): ("UNAVAILABLE", "unloaded") for version in "123"},
        }
        assert 'model_ready{model="colour",provider="cpu",version="3"} 0.0' in httpx2.get(f"{url}/metrics").text
        assert control(url, "colour", "load").status_code == 200
        assert ask_each_worker(url) == {(200, "3")}
        assert 'model_ready{model="colour",provider="cpu",version="3"} 1.0' in httpx2.get(f"{url}/metrics").text


def test_a_worker_that_takes_another_s_place_serves_what_the_others_serve(models: Path) -> None:
    with administered(models) as (pid, url):
        write_version(models, "2")
        assert control(url, "colour", "load").status_code == 200
        assert control(url, "length", "unload").status_code == 200
        # Files that are no good any more: what is served is no longer on the disk.
        (models / "colour" / "2" / "golden" / "golden.json").write_text("{}")
        eventually(lambda: "golden" in index(url)["colour", "2"][1] or ("colour", "2") not in index(url))
        for worker in children(pid):
            os.kill(worker, signal.SIGKILL)
            eventually(lambda worker=worker: worker not in children(pid) and len(children(pid)) == WORKERS)
        assert ask_each_worker(url) == {(200, "2")}
        assert httpx2.post(f"{url}/v1/models/length/predict", json={"inputs": "hello"}).status_code == 404
        write_version(models, "3")
        assert control(url, "colour", "load").status_code == 400  # for version 2
        assert ask_each_worker(url) == {(200, "3")}


def test_versions_are_swapped_under_load_and_every_answer_is_wholly_of_one(models: Path) -> None:
    """T5, short: no connection ever goes back, and nothing is lost."""
    answers: list[list[tuple[int, str]]] = []
    stop = threading.Event()

    def call(url: str, mine: list[tuple[int, str]]) -> None:
        with httpx2.Client(timeout=30) as http:
            while not stop.is_set():
                mine.append(ask(http, url))

    with administered(models) as (_, url):
        answers = [[] for _ in range(4)]
        callers = [threading.Thread(target=call, args=(url, mine)) for mine in answers]
        for caller in callers:
            caller.start()
        eventually(lambda: all(answers))  # of the first one
        for version in map(str, range(2, 8)):
            write_version(models, version)
            if int(version) % 2:  # every other one is left to the watch
                assert control(url, "colour", "load").status_code == 200
            eventually(lambda version=version: all(mine and mine[-1] == (200, version) for mine in answers))
        stop.set()
        for caller in callers:
            caller.join()
    for mine in answers:
        assert {status for status, _ in mine} == {200}
        assert [version for _, version in mine] == sorted(version for _, version in mine)
        assert {version for _, version in mine} == set("1234567")


def cut_off(folder: Path) -> None:
    graph = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph[: len(graph) // 2])


def wrong_answer(folder: Path) -> None:
    golden = json.loads((folder / "golden" / "golden.json").read_text())
    golden["rows"][0]["scores"].reverse()
    (folder / "golden" / "golden.json").write_text(json.dumps(golden))


def no_graph(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def no_spec(folder: Path) -> None:
    (folder / "model.json").unlink()


def not_a_number(folder: Path) -> None:
    graph = colour_graph()
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), "scale"))
    replace_graph(folder, graph)


def another_graph(folder: Path) -> None:
    replace_graph(folder, colour_graph(), sha256="0" * 64)


def foreign_operators(folder: Path) -> None:
    graph = colour_graph()
    graph.opset_import.append(helper.make_opsetid("com.example", 1))
    replace_graph(folder, graph)


def operators_of_the_future(folder: Path) -> None:
    graph = colour_graph()
    graph.opset_import[0].version = 99
    replace_graph(folder, graph)


def another_input(folder: Path) -> None:
    graph = colour_graph()
    graph.graph.input[0].name = graph.graph.node[0].input[0] = "picture"
    replace_graph(folder, graph)


def failing_run(folder: Path) -> None:
    """It reaches for a seventh score of three."""
    graph = colour_graph()
    *nodes, last = graph.graph.node
    last.input[0] = "sum"
    more = [
        helper.make_node("Gather", ["logits", "seventh"], ["score"], axis=1),
        helper.make_node("Add", ["logits", "score"], ["sum"]),
    ]
    del graph.graph.node[:]
    graph.graph.node.extend([*nodes, *more, last])
    graph.graph.initializer.append(numpy_helper.from_array(np.array([7]), "seventh"))
    replace_graph(folder, graph)


def replace_graph(folder: Path, graph: onnx.ModelProto, **said: Any) -> None:
    written = graph.SerializeToString()
    (folder / "model.onnx").write_bytes(written)
    spec = json.loads((folder / "model.json").read_text())
    spec["graph"] |= {"sha256": hashlib.sha256(written).hexdigest(), "bytes": len(written), **said}
    (folder / "model.json").write_text(json.dumps(spec))


BAD: tuple[tuple[Callable[[Path], None], str], ...] = (
    (cut_off, "bytes"),
    (wrong_answer, "golden answers differ"),
    (no_graph, "is missing"),
    (no_spec, "model.json"),
    (not_a_number, "golden answers differ by nan"),
    (another_graph, "sha256"),
    (foreign_operators, "com.example"),
    (operators_of_the_future, "can not load the graph"),
    (another_input, "the graph's input is picture"),
    (failing_run, "golden"),
)


def test_a_bad_reload_of_any_kind_leaves_the_old_one_serving_and_says_why(models: Path) -> None:
    """T6, short."""
    with administered(models, MAXPOOL_RELOAD_SECONDS="0") as (_, url):
        for spoil, words in BAD:
            coming = write_colour(models.parent / "coming" / "colour" / "2")
            spoil(coming)
            coming.rename(models / "colour" / "2")
            refused = control(url, "colour", "load")
            assert refused.status_code == 400
            assert words in refused.json()["error"], spoil
            state, reason = index(url)["colour", "2"]
            assert state == "UNAVAILABLE"
            assert words in reason
            (status,) = [m for m in httpx2.get(f"{url}/v1/models").json()["models"] if m["version"] == "2"]
            assert (status["status"], status["reason"]) == ("refused", reason)
            metrics = httpx2.get(f"{url}/metrics").text
            assert 'maxpool_model_ready{model="colour",provider="cpu",version="2"} 0.0' in metrics
            assert 'maxpool_model_ready{model="colour",provider="cpu",version="1"} 1.0' in metrics
            assert httpx2.get(f"{url}/readyz").status_code == 200
            assert ask_each_worker(url) == {(200, "1")}
            shutil.rmtree(models / "colour" / "2")
        write_version(models, "2")
        assert control(url, "colour", "load").status_code == 200
        assert ask_each_worker(url) == {(200, "2")}
