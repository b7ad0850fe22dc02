"""The Open Inference Protocol over gRPC, against a real server of two workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import numpy as np
import pytest
from PIL import Image

from service.errors import MaxpoolError
from service.protocols.oip_grpc_handlers import STATUS
from service.protocols.oip_messages import message_class
from tests.conftest import encode, free_port, plain, serving
from tests.service.protocols import infer
from tests.service.protocols.calls import Stub, image, pixels_in, request, scores, sentence
from tests.service.protocols.infer import COLOUR, RED_BLUE, serialized

Code = grpc.StatusCode
LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def urls(tiny_models: Path) -> Iterator[tuple[str, str]]:
    """Of HTTP, and host and port of gRPC."""
    port = free_port()
    with serving(models=tiny_models, workers=2, max_inputs=32, max_body_bytes=LIMIT, grpc_port=port) as url:
        yield url, f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def stub(urls: tuple[str, str]) -> Iterator[Stub]:
    with grpc.insecure_channel(urls[1]) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        yield Stub(channel)


@pytest.fixture(autouse=True)
def _alive_after_each(stub: Stub) -> Iterator[None]:
    yield
    assert stub.ServerLive().live
    assert scores(stub.ModelInfer(model_name="colour", **pixels_in(RED_BLUE))).argmax(axis=1).tolist() == [0, 2]


def refused(call: Any, code: Code, *words: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is code, caught.value
    for word in words:
        assert word in caught.value.details()
    return caught.value


def test_health_and_readiness(stub: Stub) -> None:
    assert stub.ServerReady().ready
    assert stub.ModelReady(name="colour").ready
    assert stub.ModelReady(name="colour", version="1").ready
    assert not stub.ModelReady(name="colour", version="9").ready
    assert not stub.ModelReady(name="nothing").ready


def test_metadata_configuration_and_index_say_what_http_says(urls: tuple[str, str], stub: Stub) -> None:
    with httpx2.Client(base_url=urls[0]) as http:
        server, colour = http.get("/v2").json(), http.get("/v2/models/colour").json()
        config, index = http.get("/v2/models/length/config").json(), http.post("/v2/repository/index").json()
    assert stub.ServerMetadata() == message_class("ServerMetadataResponse")(**server)
    assert stub.ModelMetadata(name="colour", version="1") == message_class("ModelMetadataResponse")(**colour)
    assert stub.ModelConfig(name="length").config == message_class("ModelConfig")(**config)
    assert stub.RepositoryIndex(ready=True) == message_class("RepositoryIndexResponse")(models=index)
    for call in (stub.ModelMetadata, stub.ModelConfig, stub.ModelStatistics):
        refused(lambda call=call: call(name="nothing"), Code.NOT_FOUND, "no model is called 'nothing'")


def test_raw_and_typed_pixels_give_what_http_gives(urls: tuple[str, str], stub: Stub) -> None:
    expected = infer.scores(httpx2.post(f"{urls[0]}{COLOUR}", json={"inputs": [infer.image(RED_BLUE)]}))
    raw = stub.ModelInfer(model_name="colour", model_version="1", id="seven", **pixels_in(RED_BLUE))
    assert (raw.model_name, raw.model_version, raw.id) == ("colour", "1", "seven")
    np.testing.assert_allclose(scores(raw), expected, atol=1e-6)
    typed = image(RED_BLUE.shape, contents={"uint_contents": RED_BLUE.ravel().tolist()})
    np.testing.assert_allclose(scores(stub.infer("colour", typed)), expected, atol=1e-6)


def test_a_message_of_many_pixels_is_read_whole(stub: Stub) -> None:
    rows = np.tile(RED_BLUE, (16, 1, 1, 1))
    picture = encode(Image.new("RGB", (300, 200), "blue"), compress_level=0)
    pictures = serialized(*[picture] * 12)  # 2 MB: taken apart beside the loop
    assert scores(stub.ModelInfer(model_name="colour", **pixels_in(rows))).argmax(axis=1).tolist() == [0, 2] * 16
    given = {"name": "image", "datatype": "BYTES", "shape": [12]}
    answer = stub.infer("colour", given, raw_input_contents=[pictures])
    assert scores(answer).argmax(axis=1).tolist() == [2] * 12


def test_encoded_pictures(stub: Stub) -> None:
    elements = [plain("red"), plain("blue", (60, 40), "JPEG")]
    given = {"name": "image", "datatype": "BYTES", "shape": [2]}
    typed = stub.infer("colour", {**given, "contents": {"bytes_contents": elements}})
    raw = stub.infer("colour", {**given, "shape": [2, 1]}, raw_input_contents=[serialized(*elements)])
    for answer in (typed, raw):
        assert scores(answer).argmax(axis=1).tolist() == [0, 2]


def test_sentences(stub: Stub) -> None:
    elements = [b"so it goes", "ünï çôdé 🙂".encode(), b"one two three four five"]
    typed = stub.infer("length", sentence(3, contents={"bytes_contents": elements}))
    raw = stub.infer("length", sentence(3), raw_input_contents=[serialized(*elements)])
    for answer in (typed, raw):
        assert scores(answer).argmax(axis=1).tolist() == [0, 0, 1]


def test_classes_in_place_of_scores(stub: Stub) -> None:
    best = {"name": "scores", "parameters": {"classification": {"int64_param": 2}}}
    answer = stub.ModelInfer(model_name="colour", outputs=[best], **pixels_in(RED_BLUE))
    (output,) = answer.outputs
    assert (output.datatype, list(output.shape)) == ("BYTES", [2, 2])
    first = answer.raw_output_contents[0]
    length = int.from_bytes(first[:4], "little")
    score, index, label = first[4 : 4 + length].decode().split(":")
    assert float(score) > 0.9
    assert (index, label) == ("0", "red")


def test_parameters_are_checked_and_unknown_ones_pass(stub: Stub) -> None:
    fine = {"mine": {"string_param": "x"}, "priority": {"uint64_param": 1}, "timeout": {"int64_param": 60_000_000}}
    scores(stub.ModelInfer(model_name="colour", parameters=fine, **pixels_in(RED_BLUE)))
    for parameters, word in (({"timeout": {"int64_param": -1}}, "timeout"), ({"mine": {}}, "mine")):
        call = lambda p=parameters: stub.ModelInfer(model_name="colour", parameters=p, **pixels_in(RED_BLUE))  # noqa: E731
        refused(call, Code.INVALID_ARGUMENT, word)


SHAPE = RED_BLUE.shape
BLOB = RED_BLUE.tobytes()
ELEMENT = serialized(b"so it goes")


@pytest.mark.parametrize(
    ("model", "inputs", "blobs", "code", "word"),
    [
        ("nothing", [image(SHAPE)], [BLOB], Code.NOT_FOUND, "no model is called 'nothing'"),
        ("x" * 100_000, [image(SHAPE)], [BLOB], Code.NOT_FOUND, "no model is called"),
        ("colour", [], [], Code.INVALID_ARGUMENT, "inputs is missing"),
        ("colour", [image(SHAPE, name="other")], [BLOB], Code.INVALID_ARGUMENT, "expected 'image'"),
        ("colour", [image(SHAPE), image(SHAPE)], [BLOB, BLOB], Code.INVALID_ARGUMENT, "once"),
        ("colour", [image(SHAPE, datatype="FP32")], [BLOB], Code.INVALID_ARGUMENT, "it is FP32"),
        ("colour", [image([2, 8, 8])], [BLOB], Code.INVALID_ARGUMENT, "expected UINT8 of shape"),
        ("colour", [image([-1, 8, 8, 3])], [BLOB], Code.INVALID_ARGUMENT, "not negative"),
        ("colour", [image([0, 8, 8, 3])], [b""], Code.INVALID_ARGUMENT, "no rows"),
        ("colour", [image([33, 8, 8, 3])], [bytes(33 * 192)], Code.RESOURCE_EXHAUSTED, "at most 32"),
        ("colour", [image(SHAPE)], [BLOB[:-1]], Code.INVALID_ARGUMENT, "383 elements"),
        ("colour", [image(SHAPE)], [BLOB, BLOB], Code.INVALID_ARGUMENT, "expected one"),
        ("colour", [image(SHAPE)], [], Code.INVALID_ARGUMENT, "its data has 0 elements"),
        ("colour", [image(SHAPE, contents={"uint_contents": [1]})], [BLOB], Code.INVALID_ARGUMENT, "one of them"),
        ("colour", [image(SHAPE, contents={"uint_contents": [256] * 384})], [], Code.INVALID_ARGUMENT, "0 to 255"),
        ("colour", [image(SHAPE, contents={"fp32_contents": [1] * 384})], [], Code.INVALID_ARGUMENT, "fp32_contents"),
        ("colour", [image([1], datatype="BYTES")], [serialized(b"no picture")], Code.INVALID_ARGUMENT, "element 0"),
        ("length", [sentence(2)], [ELEMENT], Code.INVALID_ARGUMENT, "element 1 of 2"),
        ("length", [sentence(1)], [ELEMENT[:-1]], Code.INVALID_ARGUMENT, "within element 0"),
        ("length", [sentence(1)], [serialized(b"\xff")], Code.INVALID_ARGUMENT, "UTF-8"),
        ("length", [sentence(2, contents={"bytes_contents": [b"a"]})], [], Code.INVALID_ARGUMENT, "its shape says 2"),
        (
            "colour",
            [image(SHAPE, parameters={"shared_memory_region": {"string_param": "x"}})],
            [],
            Code.UNIMPLEMENTED,
            "shared memory",
        ),
    ],
)
def test_what_is_wrong_is_said(stub: Stub, model: str, inputs: Any, blobs: Any, code: Code, word: str) -> None:
    refused(lambda: stub.infer(model, *inputs, raw_input_contents=blobs), code, word)


def test_a_body_that_is_no_message_is_refused(stub: Stub) -> None:
    refused(lambda: stub.raw("ModelInfer")(b"\xff" * 100, timeout=20), Code.INVALID_ARGUMENT, "ModelInferRequest")
    refused(lambda: stub.raw("ModelReady")(b"\xff" * 100, timeout=20), Code.INVALID_ARGUMENT, "ModelReadyRequest")


def test_a_message_over_the_limit_is_refused_inflated_or_not(urls: tuple[str, str]) -> None:
    body = bytes(LIMIT + 1)
    for algorithm in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with grpc.insecure_channel(urls[1], compression=algorithm) as channel:
            call = Stub(channel).raw("ModelInfer")
            refused(lambda call=call: call(body, timeout=20), Code.RESOURCE_EXHAUSTED)


def test_what_is_left_out_says_so(stub: Stub) -> None:
    for name in ("SystemSharedMemoryStatus", "CudaSharedMemoryRegister"):
        refused(lambda name=name: stub.raw(name)(b"", timeout=20), Code.UNIMPLEMENTED, "shared memory")
    refused(lambda: stub.raw("TraceSetting")(b"", timeout=20), Code.UNIMPLEMENTED, "traces")
    refused(lambda: stub.raw("LogSettings")(b"", timeout=20), Code.UNIMPLEMENTED, "MAXPOOL_LOG_LEVEL")
    for control in (stub.RepositoryModelLoad, stub.RepositoryModelUnload):
        refused(lambda control=control: control(model_name="colour"), Code.PERMISSION_DENIED, "MAXPOOL_ADMIN_KEY_FILE")
    refused(lambda: stub.raw("Nothing")(b"", timeout=20), Code.UNIMPLEMENTED)


def test_a_stream_answers_each_request_in_order_and_goes_on_after_an_error(stub: Stub) -> None:
    many = [request(model_name="colour", id=str(n), **pixels_in(RED_BLUE)) for n in range(100)]
    many[7] = request(model_name="nothing", id="7", **pixels_in(RED_BLUE))
    answers = list(stub.stream(iter(many)))
    assert [answer.infer_response.id for answer in answers] == [str(n) for n in range(100)]
    assert "no model is called 'nothing'" in answers[7].error_message
    assert {answer.error_message for answer in answers[:7] + answers[8:]} == {""}
    assert all(scores(each.infer_response).shape == (2, 3) for each in answers[:7] + answers[8:])


def test_every_error_has_a_status_of_grpc() -> None:
    errors = [MaxpoolError]
    for error in errors:
        assert error.status in STATUS, error
        errors += error.__subclasses__()


def test_requests_are_counted_as_over_http(urls: tuple[str, str], stub: Stub) -> None:
    def counted() -> dict[str, float]:
        lines = httpx2.get(f"{urls[0]}/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    good = 'maxpool_requests_total{code="200",model="colour",version="1"}'
    bad = 'maxpool_requests_total{code="400",model="colour",version="1"}'
    reason = 'maxpool_rejected_total{reason="InvalidInput"}'
    before, told = counted(), stub.ModelStatistics(name="colour").model_stats[0]
    stub.ModelInfer(model_name="colour", **pixels_in(RED_BLUE))
    refused(lambda: stub.infer("colour", image([1])), Code.INVALID_ARGUMENT)
    after, now = counted(), stub.ModelStatistics(name="colour", version="1").model_stats[0]
    assert [after[name] - before.get(name, 0) for name in (good, bad, reason)] == [1, 1, 1]
    assert now.inference_count - told.inference_count == 2
    assert len(stub.ModelStatistics().model_stats) == 2
