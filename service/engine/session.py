"""One ONNX graph in ONNX Runtime. The only file that imports onnxruntime."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service.errors import ModelRefused, SettingsError

Rows = npt.NDArray[Any]  # N x H x W x C uint8, or N objects of type str
Scores = npt.NDArray[np.float32]  # N x K

# The word for a setting -> the name in ONNX Runtime, the best first.
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "openvino-bf16": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
AUTO = ("cuda", "cpu")
BF16 = '{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}'
OPTIONS = {
    "openvino": {"device_type": "CPU", "num_of_threads": "1"},
    "openvino-bf16": {"device_type": "CPU", "num_of_threads": "1", "load_config": BF16},
}
# What a provider that computes with fewer digits may be off by; the label must be the same all the same.
ROUNDING = {"openvino-bf16": 0.02}

# What ONNX Runtime's errors begin with: a code, and a line of its source.
SOURCE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+:\d+ [^(]*\([^)]*\) (?:const )?")

# An Identity graph on one float. Whether a provider works is known only from a session that was really made with it:
# ONNX Runtime falls back to the CPU with no more than a line in a log.
PROBE = bytes.fromhex(
    "080812003a3b0a100a017812017922084964656e74697479120570726f62655a0f0a0178120a0a08080112040a020801620f0a0179120a0a08"
    "080112040a02080142040a00100d"
)


def choose_provider(setting: str) -> str:
    """The provider to use, a key of PROVIDERS. Raises SettingsError when the one asked for does not work here."""
    if setting == "auto":
        return next(provider for provider in AUTO if works(provider))
    if setting not in PROVIDERS:
        raise SettingsError(f"provider {setting!r} is unknown: expected auto or one of {', '.join(PROVIDERS)}")
    if not works(setting):
        here = ", ".join(name for name in PROVIDERS if works(name))
        raise SettingsError(
            f"provider {setting!r} was asked for and does not work here (working: {here}): install the onnxruntime "
            "that has it (dependency group serve-gpu for cuda) with its driver, or set MAXPOOL_PROVIDER=auto"
        )
    return setting


def works(provider: str) -> bool:
    if PROVIDERS[provider] not in ort.get_available_providers():
        return False
    try:
        Session(PROBE, provider=provider)
    except ModelRefused:
        return False
    return True


class Session:
    """Safe to run from several threads at once; each call runs on the thread that made it."""

    def __init__(self, graph: bytes, *, provider: str, folder: Path | None = None, lean: bool = False) -> None:
        """`folder`: where the weights lie that the graph keeps outside of itself, to be mapped.

        `lean`: with as little memory of its own as there can be, at the cost of time in each run. With a `folder` its
        weights stay as they are in the file, of which all processes of the machine then share one copy.

        Raises ModelRefused when ONNX Runtime can not make the session, or makes it on another provider.
        """
        if provider in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA and cuDNN from Python packages, where the system has none
        options = ort.SessionOptions()
        # One thread a call, and as many calls as CPUs: two threads in one call are slower whenever anything else runs.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if lean:
            options.enable_cpu_mem_arena = False
            if folder is not None:  # what copies weights into another order
                options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
                options.add_session_config_entry("session.disable_prepacking", "1")
        if folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        names = [(PROVIDERS[provider], OPTIONS.get(provider, {}))]
        if provider != "cpu":
            names.append(("CPUExecutionProvider", {}))
        try:
            self._session = ort.InferenceSession(graph, options, providers=names)
        except Exception as error:
            said = SOURCE.sub("", str(error)).strip()
            raise ModelRefused(f"ONNX Runtime {ort.__version__} can not load the graph: {said}") from error
        in_use = self._session.get_providers()[0]
        if in_use != PROVIDERS[provider]:
            raise ModelRefused(f"the graph runs on {in_use} where {PROVIDERS[provider]} was asked for")
        self.provider = provider
        self.inputs = {i.name: (i.type, tuple(i.shape)) for i in self._session.get_inputs()}
        self.outputs = {o.name: (o.type, tuple(o.shape)) for o in self._session.get_outputs()}
        self._input = next(iter(self.inputs))
        self._outputs = [next(iter(self.outputs))]

    def shrink(self, rows: Rows) -> None:
        """A run after which memory is given back that larger ones took and this one does not need."""
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._session.run(self._outputs, {self._input: rows}, options)

    def run(self, rows: Rows) -> Scores:
        """N rows -> N x K scores. Raises whatever ONNX Runtime raises for rows that the graph fails on."""
        scores: Scores = self._session.run(self._outputs, {self._input: rows})[0]
        return scores

    def look(self, names: list[str], rows: Rows) -> dict[str, npt.NDArray[Any]]:
        """Some of the outputs by name. Raises whatever ONNX Runtime raises."""
        return dict(zip(names, self._session.run(names, {self._input: rows}), strict=True))
