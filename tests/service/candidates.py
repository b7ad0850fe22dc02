"""Versions of the brightest colour that are good enough to be loaded, each with a flaw that only a rollout shows."""

import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import colour_graph, eventually, plain, write_colour

DIM = plain("#c80000")  # red 200, at which FAILING fails
OCHRE = plain("#645a00")  # red 100, green 90: green by the eye of DIFFERING
RED = plain("red")
# A connection each, which are dealt out to the workers in turn.
HTTP = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), timeout=60)


def differing() -> onnx.ModelProto:
    """Green counts for more."""
    graph = colour_graph()
    graph.graph.initializer[0].CopyFrom(
        numpy_helper.from_array((np.array([1, 1.2, 1]) * 10 / 255).astype(np.float32).reshape(1, 3, 1, 1), "scale")
    )
    return graph


def failing() -> onnx.ModelProto:
    """Where the largest byte is 200 it reaches for an eighth score of three."""
    graph = colour_graph()
    *nodes, last = graph.graph.node
    last.input[0] = "sum"
    more = [
        helper.make_node("ReduceMax", ["pixels"], ["most"], keepdims=0),
        helper.make_node("Equal", ["most", "limit"], ["is dim"]),
        helper.make_node("Cast", ["is dim"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "seven"], ["index"]),
        helper.make_node("Gather", ["logits", "index"], ["score"], axis=1),
        helper.make_node("Sub", ["score", "score"], ["naught"]),
        helper.make_node("Unsqueeze", ["naught", "columns"], ["naughts"]),
        helper.make_node("Add", ["logits", "naughts"], ["sum"]),
    ]
    del graph.graph.node[:]
    graph.graph.node.extend([*nodes, *more, last])
    constants = {
        "limit": np.array(200, np.float32),
        "seven": np.array(7, np.int64),
        "columns": np.array([1], np.int64),
    }
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return graph


def write_versions(models: Path, name: str, candidate: onnx.ModelProto | None = None, **rollout: Any) -> None:
    """Version 1, version 2, and what is asked of them."""
    write_colour(models / name / "1")
    write_colour(models / name / "2", candidate.SerializeToString() if candidate else None)
    if rollout:
        ask_for(models, name, **rollout)


def ask_for(models: Path, name: str, **rollout: Any) -> None:
    """Put in place as a whole."""
    written = models / f"{name}.rollout"
    written.write_text(json.dumps({"serve": "1", "candidate": "2", "share": 1.0, **rollout}))
    written.rename(models / name / "rollout.json")


def ask(
    url: str, name: str, picture: bytes = RED, *, http: httpx2.Client = HTTP, version: str | None = None
) -> tuple[str, str]:
    """Version and label of an answer, which is a good one."""
    path = f"/versions/{version}" if version else ""
    answer = http.post(f"{url}/v1/models/{name}{path}/predict", content=picture)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return told["version"], told["predictions"][0]["label"]


def state_of(url: str, name: str) -> dict[str, Any]:
    told: dict[str, Any] = HTTP.get(f"{url}/v1/models/{name}/rollout").json()
    return told


def figures(url: str, name: str) -> dict[str, Any]:
    told: dict[str, Any] = state_of(url, name)["figures"]
    return told


def judged(url: str, name: str) -> str:
    """The state of a rollout once it has come to an end in every worker."""

    def states() -> set[str]:
        return {state_of(url, name)["state"] for _ in range(4)}

    eventually(lambda: len(found := states()) == 1 and "running" not in found)
    return states().pop()
