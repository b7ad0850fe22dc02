"""Loading is proving: a folder becomes a session only when everything it claims was seen to hold.

bytes on disk -> *check size, sha256, operator sets, weights beside the graph* -> session -> *check signature* ->
*golden inputs, by the very road of a request* -> proven
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from service.engine.header import external_files, read_header
from service.engine.rows import read_row, stack
from service.engine.session import ROUNDING, Session
from service.engine.vocabulary import Vocabulary
from service.errors import ModelRefused
from service.spec import ImageInput, ModelSpec, read_spec

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


@dataclass(frozen=True)
class Golden:
    """An input as a client would send it, and what torch answered to it when the model was exported."""

    input: bytes | str
    scores: tuple[float, ...]


class FileState(NamedTuple):
    """Another file of the same name, or the same after a write, has another state."""

    inode: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True)
class Proven:
    spec: ModelSpec
    session: Session
    golden: tuple[Golden, ...]
    folder: Path
    hashed: FileState | None  # of the weights beside the graph
    vocabulary: Vocabulary | None  # where the spec says how many words were unknown to it


def prove(folder: Path, *, provider: str) -> Proven:
    """Raises ModelRefused with the reason and the remedy."""
    spec = read_spec(folder / "model.json")
    if (spec.name, spec.version) != (folder.parent.name, folder.name):
        raise ModelRefused(
            f"{folder} holds a spec of {spec.name} version {spec.version}: the folders must be <name>/<version>"
        )
    graph = read_graph(folder / "model.onnx", spec)
    hashed = check_weights(folder, spec, external_files(graph))
    session = Session(graph, provider=provider, folder=folder if spec.graph.weights else None)
    check_unchanged(folder, spec, hashed)
    check_signature(session, spec)
    golden, tolerance = read_golden(folder / "golden", spec)
    check_golden(session, spec, golden, tolerance)
    vocabulary = Vocabulary.of(graph) if spec.reference and spec.reference.unknown_words is not None else None
    return Proven(spec, session, golden, folder, hashed, vocabulary)


def read_graph(path: Path, spec: ModelSpec) -> bytes:
    """The very bytes that were hashed go to ONNX Runtime, so that nothing can change in between."""
    try:
        graph = path.read_bytes()
    except FileNotFoundError:
        raise ModelRefused(f"{path} is missing") from None
    if len(graph) != spec.graph.bytes or (found := hashlib.sha256(graph).hexdigest()) != spec.graph.sha256:
        what = f"{len(graph)} bytes" if len(graph) != spec.graph.bytes else f"sha256 {found}"
        raise ModelRefused(
            f"{path} has {what}; model.json expects {spec.graph.bytes} bytes, sha256 {spec.graph.sha256}: "
            "export the model again or restore the file"
        )
    header = read_header(graph)
    if foreign := set(header.opsets) - set(DOMAINS):
        raise ModelRefused(
            f"{path} uses operators of {', '.join(sorted(foreign))}: allowed are {', '.join(DOMAINS[1:])}"
        )
    return graph


def check_weights(folder: Path, spec: ModelSpec, named: set[str]) -> FileState | None:
    """`named`: the files that the graph keeps tensors in, which must be the one of the spec, or none. Returns the state
    in which it was hashed."""
    weights = spec.graph.weights
    expected = {weights.file} if weights else set()
    if unknown := named - expected:
        raise ModelRefused(
            f"the graph reaches for the files {sorted(unknown)}, which model.json does not name: weights outside of "
            "model.onnx must be in the one file of graph.weights, beside it; export the model again"
        )
    if weights is None:
        return None
    path = folder / weights.file
    if not named:
        raise ModelRefused(f"model.json names the weights {path}, which the graph does not use: export the model again")
    if path.is_symlink():
        raise ModelRefused(f"{path} is a symbolic link, which ONNX Runtime may not follow: put the file itself there")
    try:
        with path.open("rb") as file:
            state = file_state(os.stat(file.fileno()))
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelRefused(
            f"the weights {path} are missing or can not be read ({error.strerror}): a graph over 16 MiB needs the "
            "weight file beside it; copy the whole folder"
        ) from None
    if (state.size, found) != (weights.bytes, weights.sha256):
        what = f"{state.size} bytes" if state.size != weights.bytes else f"sha256 {found}"
        raise ModelRefused(
            f"the weights {path} have {what}; model.json expects {weights.bytes} bytes, sha256 {weights.sha256}: "
            "export the model again or restore the file"
        )
    return state


def check_unchanged(folder: Path, spec: ModelSpec, hashed: FileState | None) -> None:
    """ONNX Runtime opens the weights by their name after they were hashed: what it mapped must be the same file still.

    Who may write to the folder can change it later, which is why the image has it read-only.
    """
    if hashed is None or spec.graph.weights is None:
        return
    path = folder / spec.graph.weights.file
    if not path.is_file() or file_state(path.stat()) != hashed:
        raise ModelRefused(f"the weights {path} changed while they were loaded: put them there whole, then load again")


def file_state(stat: os.stat_result) -> FileState:
    return FileState(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def check_signature(session: Session, spec: ModelSpec) -> None:
    labels = len(spec.labels)
    if isinstance(spec.input, ImageInput):
        name, kind = "image", "tensor(uint8)"
        shape: tuple[int, ...] = (spec.input.height, spec.input.width, spec.input.channels)
    else:
        name, kind, shape = "sentence", "tensor(string)", ()
    for side, found, expected in (
        ("input", session.inputs, (name, kind, shape)),
        ("output", session.outputs, ("scores", "tensor(float)", (labels,))),
    ):
        if len(found) != 1:
            raise ModelRefused(f"the graph has {len(found)} {side}s: expected the one {side} {expected[0]!r}")
        (found_name, (found_kind, found_shape)), *_ = found.items()
        if (found_name, found_kind, found_shape[1:]) != expected:
            raise ModelRefused(
                f"the graph's {side} is {found_name} {found_kind} {list(found_shape)}: "
                f"the spec needs {expected[0]} {expected[1]} {['N', *expected[2]]}"
            )
        if isinstance(found_shape[0], int):
            raise ModelRefused(f"the graph's {side} has a fixed batch of {found_shape[0]}: export with a dynamic batch")


def read_golden(folder: Path, spec: ModelSpec) -> tuple[tuple[Golden, ...], float]:
    """The golden inputs, and how far an answer may be from theirs."""
    try:
        written = json.loads((folder / "golden.json").read_bytes())
        rows, tolerance = written["rows"], float(written["tolerance"])
        if isinstance(spec.input, ImageInput):
            files = {path.name: path for path in folder.iterdir()}
            golden = tuple(Golden(files[row["file"]].read_bytes(), tuple(map(float, row["scores"]))) for row in rows)
        else:
            sentences = json.loads((folder / "sentences.json").read_bytes())
            golden = tuple(Golden(sentences[row["sentence"]], tuple(map(float, row["scores"]))) for row in rows)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelRefused(f"{folder} can not be read ({error!r}): export the model again") from error
    if not golden:
        raise ModelRefused(f"{folder} has no rows: a model without golden answers can not be proven")
    labels = len(spec.labels)
    for index, example in enumerate(golden):
        if len(example.scores) != labels:
            found = len(example.scores)
            raise ModelRefused(f"{folder} row {index} has {found} scores for {labels} labels: export the model again")
    return golden, tolerance


def check_golden(session: Session, spec: ModelSpec, golden: tuple[Golden, ...], tolerance: float) -> None:
    try:
        scores = session.run(stack([read_row(example.input, spec.input).row for example in golden]))
    except Exception as error:
        raise ModelRefused(f"the golden inputs can not be answered: {error}") from error
    expected = np.array([example.scores for example in golden], dtype=np.float32)
    if scores.shape != expected.shape:
        raise ModelRefused(f"the golden scores have shape {expected.shape}, the graph gives {scores.shape}")
    difference = float(np.abs(scores - expected).max())
    tolerance = max(tolerance, ROUNDING.get(session.provider, 0.0))
    if not (difference <= tolerance and (scores.argmax(axis=1) == expected.argmax(axis=1)).all()):
        raise ModelRefused(
            f"the golden answers differ by {difference:.2e}, more than {tolerance:.0e}, on {session.provider}: "
            "this graph or this provider does not compute what was trained"
        )
