"""tritonclient over gRPC, unmodified, against a real server."""

import asyncio
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import eventually, free_port, plain, serving, write_colour

grpcclient: Any = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed: make clients")
aio: Any = pytest.importorskip("tritonclient.grpc.aio", reason="tritonclient is not installed: make clients")
service_pb2: Any = pytest.importorskip("tritonclient.grpc.service_pb2", reason="tritonclient is not installed")
utils: Any = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed: make clients")

ROWS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
BRIGHTEST = ROWS.mean(axis=(1, 2)).argmax(axis=1)
SENTENCES = np.array([b"so it goes", "ünï çôdé 🙂".encode(), b"one two three four five"], dtype=np.object_)


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    port = free_port()
    with serving(models=tiny_models, workers=2, max_inputs=32, grpc_port=port):
        yield f"127.0.0.1:{port}"


def is_live(client: Any) -> bool:
    try:
        return bool(client.is_server_live())
    except utils.InferenceServerException:
        return False


@pytest.fixture(scope="module")
def triton(address: str) -> Iterator[Any]:
    with grpcclient.InferenceServerClient(address) as client:
        eventually(lambda: is_live(client))
        yield client


def image(rows: Any = ROWS) -> Any:
    return grpcclient.InferInput("image", list(rows.shape), "UINT8").set_data_from_numpy(rows)


@pytest.fixture(scope="module")
def expected(triton: Any) -> Any:
    scores = triton.infer("colour", [image()]).as_numpy("scores")
    np.testing.assert_array_equal(scores.argmax(axis=1), BRIGHTEST)
    return scores


def test_our_messages_have_the_numbers_and_types_of_theirs() -> None:
    from google.protobuf.descriptor_pool import Default

    from service.protocols.oip_messages import pool, rpcs

    theirs, seen, to_do = Default(), set(), [rpc.input_type for rpc in rpcs()] + [rpc.output_type for rpc in rpcs()]
    for rpc in rpcs():
        their_rpc = theirs.FindMethodByName(rpc.full_name)
        for part in ("input_type", "output_type"):
            assert getattr(rpc, part).full_name == getattr(their_rpc, part).full_name
        assert (rpc.client_streaming, rpc.server_streaming) == (their_rpc.client_streaming, their_rpc.server_streaming)
    while to_do:
        message = to_do.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        their_fields = theirs.FindMessageTypeByName(message.full_name).fields_by_name
        for field in message.fields:
            their_field = their_fields[field.name]
            assert (field.number, field.type) == (their_field.number, their_field.type), field.full_name
            assert field.is_repeated == their_field.is_repeated
            if field.message_type:
                assert field.message_type.full_name == their_field.message_type.full_name
                to_do.append(field.message_type)
    ours, named = pool().FindEnumTypeByName("inference.DataType"), theirs.FindEnumTypeByName("inference.DataType")
    for value in ours.values:
        assert named.values_by_name[value.name].number == value.number
    assert len(seen) > 30


def test_health_and_readiness(triton: Any) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("colour", "1")
    assert not triton.is_model_ready("colour", "9")
    assert not triton.is_model_ready("nothing")


def test_metadata_and_configuration(triton: Any) -> None:
    assert "classification" in triton.get_server_metadata().extensions
    assert list(triton.get_model_metadata("colour").inputs[0].shape) == [-1, 8, 8, 3]
    assert triton.get_model_metadata("length", "1", as_json=True)["inputs"][0]["datatype"] == "BYTES"
    config = triton.get_model_config("colour").config
    assert (config.max_batch_size, list(config.input[0].dims), config.input[0].data_type) == (32, [8, 8, 3], 2)


@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
def test_infer(triton: Any, expected: Any, algorithm: Any) -> None:
    output = grpcclient.InferRequestedOutput("scores")
    result = triton.infer(
        "colour",
        [image()],
        outputs=[output],
        request_id="seven",
        model_version="1",
        priority=1,
        timeout=10_000_000,
        parameters={"mine": "x"},
        compression_algorithm=algorithm,
    )
    np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-5)
    assert result.get_response().id == "seven"


def test_sentences_and_encoded_pictures(triton: Any) -> None:
    given = grpcclient.InferInput("sentence", [3], "BYTES").set_data_from_numpy(SENTENCES)
    assert triton.infer("length", [given]).as_numpy("scores").argmax(axis=1).tolist() == [0, 0, 1]
    pictures = np.array([plain("red"), plain("blue", (60, 40), "JPEG")], dtype=np.object_)
    given = grpcclient.InferInput("image", [2], "BYTES").set_data_from_numpy(pictures)
    assert triton.infer("colour", [given]).as_numpy("scores").argmax(axis=1).tolist() == [0, 2]


def test_classes(triton: Any, expected: Any) -> None:
    output = grpcclient.InferRequestedOutput("scores", class_count=2)
    classes = triton.infer("colour", [image()], outputs=[output]).as_numpy("scores")
    assert classes.shape == (20, 2)
    for row, scores in zip(classes, expected, strict=True):
        score, index, label = row[0].decode().split(":")
        assert float(score) == pytest.approx(float(scores.max()), abs=2e-6)
        assert (int(index), label) == (scores.argmax(), ("red", "green", "blue")[scores.argmax()])


def test_statistics_and_repository(triton: Any) -> None:
    before = triton.get_inference_statistics("colour", "1").model_stats[0]
    triton.infer("colour", [image()])
    after = triton.get_inference_statistics("colour").model_stats[0]
    assert after.inference_count - before.inference_count == 20
    index = triton.get_model_repository_index().models
    assert [(each.name, each.state) for each in index] == [("colour", "READY"), ("length", "READY")]
    for refused in (triton.load_model, triton.unload_model):
        with pytest.raises(utils.InferenceServerException, match="MAXPOOL_ADMIN_KEY_FILE"):
            refused("colour")


def test_load_and_unload_with_the_administrator_s_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key of the administrator\n")
    headers = {"authorization": "Bearer a key of the administrator"}
    write_colour(tmp_path / "models" / "colour" / "1")
    port = free_port()
    settings = {"admin_key_file": tmp_path / "key", "models": tmp_path / "models", "reload_seconds": 0}
    with (
        serving(workers=2, grpc_port=port, **settings),
        grpcclient.InferenceServerClient(f"127.0.0.1:{port}") as triton,
    ):
        eventually(lambda: is_live(triton))
        with pytest.raises(utils.InferenceServerException, match="key"):
            triton.unload_model("colour", headers={"authorization": "Bearer another"})
        triton.unload_model("colour", headers=headers)
        assert not triton.is_model_ready("colour")
        (entry,) = triton.get_model_repository_index().models
        assert (entry.state, entry.reason) == ("UNAVAILABLE", "unloaded")
        triton.load_model("colour", headers=headers)
        assert triton.is_model_ready("colour")
        with pytest.raises(utils.InferenceServerException, match="models folder already"):
            triton.load_model("evil", headers=headers, config="{}", files={"file:1/model.onnx": b"x"})


def test_what_is_left_out_says_so(triton: Any) -> None:
    for call in (triton.get_system_shared_memory_status, triton.get_cuda_shared_memory_status):
        with pytest.raises(utils.InferenceServerException, match="shared memory is not offered"):
            call()
    for call in (triton.get_trace_settings, triton.get_log_settings):
        with pytest.raises(utils.InferenceServerException, match="UNIMPLEMENTED"):
            call()
    shared = grpcclient.InferInput("image", [1, 8, 8, 3], "UINT8")
    shared.set_shared_memory("region", 192)
    with pytest.raises(utils.InferenceServerException, match="shared memory is not offered"):
        triton.infer("colour", [shared])


def test_errors_are_readable(triton: Any) -> None:
    for model, given, words in (
        ("nothing", image(), "no model is called 'nothing'"),
        ("length", image(), "expected 'sentence'"),
        ("colour", image(np.zeros((1, 9, 9, 3), np.uint8)), r"UINT8 of shape \[-1, 8, 8, 3\]"),
        ("colour", image(np.zeros((33, 8, 8, 3), np.uint8)), "at most 32"),
    ):
        with pytest.raises(utils.InferenceServerException, match=words):
            triton.infer(model, [given])


def test_async_infer_and_a_stream(triton: Any, expected: Any) -> None:
    found: queue.Queue[tuple[Any, Any]] = queue.Queue()
    tell = lambda result, error: found.put((result, error))  # noqa: E731
    triton.async_infer("colour", [image()], callback=tell)
    triton.start_stream(callback=lambda result, error: found.put((result, error)))
    for turn in range(10):
        triton.async_stream_infer("colour" if turn != 4 else "nothing", [image()], request_id=str(turn))
    answers = [found.get(timeout=30) for _ in range(11)]
    triton.stop_stream()
    (wrong,) = [error for _, error in answers if error]
    assert "no model is called 'nothing'" in str(wrong)
    for result, error in answers:
        if not error:
            np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-5)


def test_the_asyncio_client(address: str, expected: Any) -> None:
    async def ask() -> None:
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            assert (await client.get_model_metadata("colour")).name == "colour"
            answers = await asyncio.gather(*(client.infer("colour", [image()]) for _ in range(8)))
            for answer in answers:
                np.testing.assert_allclose(answer.as_numpy("scores"), expected, atol=1e-5)
            with pytest.raises(utils.InferenceServerException, match="no model is called"):
                await client.infer("nothing", [image()])

            async def requests() -> Any:
                for turn in range(5):
                    yield {"model_name": "colour", "inputs": [image()], "request_id": str(turn)}

            ids = []
            async for result, error in client.stream_infer(requests()):
                assert error is None
                ids.append(result.get_response().id)
            assert ids == ["0", "1", "2", "3", "4"]

    asyncio.run(ask())
