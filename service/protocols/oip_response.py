"""Scores -> the body of an infer response (Open Inference Protocol), as JSON or with the tensor as bytes after it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from service.engine.model import Model
from service.protocols.oip_request import OUTPUT, InferRequest
from service.protocols.replies import Reply
from service.protocols.tensors import bytes_of_elements

Batch = npt.NDArray[np.float32]  # N x K


@dataclass(frozen=True, slots=True)
class Tensor:
    datatype: str
    shape: tuple[int, ...]
    elements: npt.NDArray[np.float32] | list[str]  # row-major

    def blob(self) -> bytes:
        if isinstance(self.elements, list):
            return bytes_of_elements(each.encode() for each in self.elements)
        return self.elements.tobytes()


def write_response(model: Model, request: InferRequest, scores: Batch) -> Reply:
    """The scores as they are: JSON has the shortest decimal that is the same float32 when read."""
    tensor = scores_tensor(model, request, scores)
    output: dict[str, Any] = {"name": OUTPUT, "shape": tensor.shape, "datatype": tensor.datatype}
    blob = tensor.blob() if request.binary else b""
    if request.binary:
        output["parameters"] = {"binary_data_size": len(blob)}
    else:
        output["data"] = tensor.elements
    document = {"model_name": model.spec.name, "model_version": model.spec.version, "outputs": [output]}
    if request.id is not None:
        document["id"] = request.id
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not request.binary:
        return Reply(head)
    length = (b"inference-header-content-length", b"%d" % len(head))
    return Reply(head + blob, b"application/octet-stream", [length])


def scores_tensor(model: Model, request: InferRequest, scores: Batch) -> Tensor:
    """All scores, or the best classes where the request asks for them."""
    if request.classes is None:
        return Tensor("FP32", scores.shape, scores.ravel())
    classes = min(request.classes, scores.shape[1])
    best = [show_class(*each) for row in scores for each in model.rank(row, classes)]
    return Tensor("BYTES", (len(scores), classes), best)


def show_class(label: str, index: int, score: float) -> str:
    """As the classification extension has it."""
    return f"{score:.6f}:{index}:{label}"
