"""Calls of the Open Inference Protocol over gRPC, by grpcio's own channel and the messages of oip.proto."""

from collections.abc import Iterable
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from service.protocols.oip_messages import SERVICE, message_class, rpcs
from tests.service.protocols.infer import Pixels

SECONDS = 20


class Stub:
    """A method for each call of the protocol: stub.ModelReady(name="colour")."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def __getattr__(self, name: str) -> Any:
        (rpc,) = (each for each in rpcs() if each.name == name)
        request, response = message_class(rpc.input_type.name), message_class(rpc.output_type.name)
        call = self.raw(name)
        return lambda **fields: response.FromString(call(request(**fields).SerializeToString(), timeout=SECONDS))

    def infer(self, model: str, *inputs: dict[str, Any], **fields: Any) -> Any:
        return self.ModelInfer(model_name=model, inputs=inputs, **fields)

    def stream(self, requests: Iterable[Any]) -> Any:
        call = self.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
        read = message_class("ModelStreamInferResponse").FromString
        return (read(each) for each in call((each.SerializeToString() for each in requests), timeout=SECONDS))

    def raw(self, name: str) -> Any:
        """A call that takes bytes and gives bytes."""
        return self.channel.unary_unary(f"/{SERVICE}/{name}")


def request(**fields: Any) -> Any:
    return message_class("ModelInferRequest")(**fields)


def image(shape: Iterable[int], **fields: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": list(shape), **fields}


def pixels_in(rows: Pixels) -> dict[str, Any]:
    """The fields of a request with one input and its raw contents."""
    return {"inputs": [image(rows.shape)], "raw_input_contents": [rows.tobytes()]}


def sentence(count: int, **fields: Any) -> dict[str, Any]:
    return {"name": "sentence", "datatype": "BYTES", "shape": [count], **fields}


def scores(response: Any) -> npt.NDArray[np.float32]:
    """N x K."""
    (output,) = response.outputs
    (blob,) = response.raw_output_contents
    assert (output.name, output.datatype) == ("scores", "FP32")
    return np.frombuffer(blob, "<f4").reshape(list(output.shape))
