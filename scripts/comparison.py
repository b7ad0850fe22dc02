"""Two graphs that should answer alike, on the same rows: who is right where the other is not, how far the scores are
apart, and which is faster here."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from scripts.hardware import cpu_name
from scripts.measure import scores_of
from service.engine.session import PROVIDERS, Scores, Session

SECONDS = 4.0  # of timing at most, for each batch size
TURNS = 300


@dataclass(frozen=True)
class Paired:
    n: int
    lost: int  # rows that only the first answers right
    won: int  # rows that only the second answers right

    @property
    def told_apart(self) -> bool:
        """Whether the second is worse by more than one standard error of the difference (McNemar 1947)."""
        return self.lost - self.won > math.sqrt(self.lost + self.won)


def compare(first: Scores, second: Scores, targets: npt.NDArray[np.int64]) -> Paired:
    """Scores N x K of both, on the same rows."""
    right, right_too = first.argmax(1) == targets, second.argmax(1) == targets
    return Paired(len(targets), int((right & ~right_too).sum()), int((~right & right_too).sum()))


def time_ratio(session: Session, source: Session, rows: Any) -> float:
    """Time of the one over the time of the other: medians of calls that take turns, so both see the same machine."""
    times: dict[Session, list[float]] = {session: [], source: []}
    end = time.perf_counter() + SECONDS
    while len(times[session]) < 10 or (time.perf_counter() < end and len(times[session]) < TURNS):
        for each, taken in times.items():
            start = time.perf_counter()
            each.run(rows)
            taken.append(time.perf_counter() - start)
    return round(median(times[session]) / median(times[source]), 3)


def rounding_elsewhere(graph: bytes, session: Session, rows: Any) -> float:
    """How far a score moves when the same int8 graph is computed in another way: operator by operator in float between
    its roundings, with none of the int8 kernels, and every float constant off by a millionth, which is what sums in
    another order come to. What lies near the middle of two steps then falls to the other side, as it may on another
    processor or provider."""
    random = np.random.default_rng(0)
    read = onnx.load_from_string(graph)
    for tensor in read.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor)
            moved = array * (1 + 1e-6 * random.uniform(-1, 1, array.shape))
            tensor.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), tensor.name))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    plain = ort.InferenceSession(read.SerializeToString(), options, providers=[PROVIDERS["cpu"]])
    found = np.concatenate([plain.run(None, {"image": rows[at : at + 32]})[0] for at in range(0, len(rows), 32)])
    return float(np.abs(found - scores_of(session, rows)).max())


def machine() -> str:
    """The processor, whether it multiplies int8 in one step, and ONNX Runtime."""
    cpuinfo = Path("/proc/cpuinfo")
    vnni = " with VNNI" if cpuinfo.exists() and "vnni" in cpuinfo.read_text() else ""
    return f"{cpu_name()}{vnni}, one thread, ONNX Runtime {ort.__version__}"
