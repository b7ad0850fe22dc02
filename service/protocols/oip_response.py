"""Scores -> the body of an infer response (Open Inference Protocol), as JSON or with the tensor as bytes after it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from service.engine.model import Model
from service.protocols.oip_request import OUTPUT, InferRequest
from service.protocols.replies import Header, Reply
from service.protocols.tensors import bytes_of_elements

Batch = npt.NDArray[np.float32]  # N x K


def write_response(model: Model, request: InferRequest, scores: Batch, headers: list[Header]) -> Reply:
    """The scores as they are: JSON has the shortest decimal that is the same float32 when read."""
    data: Any
    if request.classes is None:
        output: dict[str, Any] = {"name": OUTPUT, "shape": scores.shape, "datatype": "FP32"}
        data = scores.tobytes() if request.binary else scores.ravel()
    else:
        classes = min(request.classes, scores.shape[1])
        output = {"name": OUTPUT, "shape": (len(scores), classes), "datatype": "BYTES"}
        data = [show_class(*best) for row in scores for best in model.rank(row, classes)]
        if request.binary:
            data = bytes_of_elements(each.encode() for each in data)
    if request.binary:
        output["parameters"] = {"binary_data_size": len(data)}
    else:
        output["data"] = data
    document = {"model_name": model.spec.name, "model_version": model.spec.version, "outputs": [output]}
    if request.id is not None:
        document["id"] = request.id
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not request.binary:
        return Reply(head, headers=headers)
    length = (b"inference-header-content-length", b"%d" % len(head))
    return Reply(head + data, b"application/octet-stream", [*headers, length])


def show_class(label: str, index: int, score: float) -> str:
    """As the classification extension has it."""
    return f"{score:.6f}:{index}:{label}"
