"""tritonclient, unmodified, against a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import plain, serving, write_colour

httpclient: Any = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed: make clients")
aio: Any = pytest.importorskip("tritonclient.http.aio", reason="tritonclient is not installed: make clients")
utils: Any = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed: make clients")

ROWS = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
SENTENCES = np.array([b"so it goes", "ünï çôdé 🙂".encode(), b"one two three four five"], dtype=np.object_)


@pytest.fixture(scope="module")
def triton(tiny_url: str) -> Iterator[Any]:
    with httpclient.InferenceServerClient(tiny_url.removeprefix("http://"), concurrency=4) as client:
        yield client


def image(binary: bool = True, rows: Any = ROWS) -> Any:
    given = httpclient.InferInput("image", list(rows.shape), "UINT8")
    return given.set_data_from_numpy(rows, binary_data=binary)


def sentences(binary: bool = True) -> Any:
    given = httpclient.InferInput("sentence", [len(SENTENCES)], "BYTES")
    return given.set_data_from_numpy(SENTENCES, binary_data=binary)


@pytest.fixture(scope="module")
def expected(triton: Any) -> Any:
    scores = triton.infer("colour", [image()]).as_numpy("scores")
    brightest = ROWS.mean(axis=(1, 2)).argmax(axis=1)
    np.testing.assert_array_equal(scores.argmax(axis=1), brightest)
    return scores


def test_health_and_readiness(triton: Any) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("colour")
    assert triton.is_model_ready("colour", "1")
    assert not triton.is_model_ready("colour", "9")
    assert not triton.is_model_ready("nothing")


def test_metadata_and_configuration(triton: Any) -> None:
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    assert triton.get_model_metadata("colour")["inputs"][0]["shape"] == [-1, 8, 8, 3]
    assert triton.get_model_metadata("length", "1")["inputs"][0]["datatype"] == "BYTES"
    assert triton.get_model_config("colour")["max_batch_size"] == 32


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer_in_json_and_in_bytes(triton: Any, expected: Any, binary_in: bool, binary_out: bool) -> None:
    output = httpclient.InferRequestedOutput("scores", binary_data=binary_out)
    result = triton.infer("colour", [image(binary_in)], outputs=[output], request_id="seven", model_version="1")
    np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-5)
    assert result.get_response()["id"] == "seven"


@pytest.mark.parametrize("binary", [True, False])
def test_sentences(triton: Any, binary: bool) -> None:
    scores = triton.infer("length", [sentences(binary)]).as_numpy("scores")
    assert scores.argmax(axis=1).tolist() == [0, 0, 1]


def test_encoded_pictures(triton: Any) -> None:
    pictures = np.array([plain("red"), plain("blue", (60, 40), "JPEG")], dtype=np.object_)
    given = httpclient.InferInput("image", [2], "BYTES").set_data_from_numpy(pictures)
    assert triton.infer("colour", [given]).as_numpy("scores").argmax(axis=1).tolist() == [0, 2]


@pytest.mark.parametrize("request_algorithm", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_algorithm", [None, "gzip", "deflate"])
def test_compression_both_ways(triton: Any, expected: Any, request_algorithm: Any, response_algorithm: Any) -> None:
    for class_count, binary in ((0, True), (3, True), (3, False)):
        result = triton.infer(
            "colour",
            [image()],
            outputs=[httpclient.InferRequestedOutput("scores", binary_data=binary, class_count=class_count)],
            request_compression_algorithm=request_algorithm,
            response_compression_algorithm=response_algorithm,
        )
        if class_count:
            assert result.as_numpy("scores").shape == (20, 3)
        else:
            np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-5)


@pytest.mark.parametrize("binary", [True, False])
def test_classes(triton: Any, expected: Any, binary: bool) -> None:
    output = httpclient.InferRequestedOutput("scores", binary_data=binary, class_count=2)
    classes = triton.infer("colour", [image()], outputs=[output]).as_numpy("scores")
    assert classes.shape == (20, 2)
    for row, scores in zip(classes, expected, strict=True):
        score, index, label = (row[0].decode() if isinstance(row[0], bytes) else row[0]).split(":")
        assert float(score) == pytest.approx(float(scores.max()), abs=2e-6)
        assert (int(index), label) == (scores.argmax(), ("red", "green", "blue")[scores.argmax()])


def test_options_of_a_request(triton: Any, expected: Any) -> None:
    result = triton.infer("colour", [image()], priority=1, timeout=10_000_000, parameters={"mine": "x"}, sequence_id=3)
    np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-5)


def test_statistics(triton: Any) -> None:
    before = triton.get_inference_statistics("colour", "1")["model_stats"][0]
    triton.infer("colour", [image()])
    after = triton.get_inference_statistics("colour")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 20
    assert len(triton.get_inference_statistics()["model_stats"]) == 2


def test_repository(triton: Any) -> None:
    assert [(each["name"], each["state"]) for each in triton.get_model_repository_index()] == [
        ("colour", "READY"),
        ("length", "READY"),
    ]
    for refused in (triton.load_model, triton.unload_model):
        with pytest.raises(utils.InferenceServerException, match="MAXPOOL_ADMIN_KEY_FILE"):
            refused("colour")
    assert triton.is_model_ready("colour")


def test_load_and_unload_with_the_administrator_s_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key of the administrator\n")
    headers = {"Authorization": "Bearer a key of the administrator"}
    write_colour(tmp_path / "models" / "colour" / "1")
    settings = {"admin_key_file": tmp_path / "key", "models": tmp_path / "models", "reload_seconds": 0}
    with (
        serving(workers=2, **settings) as url,
        httpclient.InferenceServerClient(url.removeprefix("http://"), network_timeout=60) as triton,
    ):
        with pytest.raises(utils.InferenceServerException, match="key"):
            triton.unload_model("colour", headers={"Authorization": "Bearer another"})
        triton.unload_model("colour", headers=headers)
        assert not triton.is_model_ready("colour")
        (entry,) = triton.get_model_repository_index()
        assert (entry["state"], entry["reason"]) == ("UNAVAILABLE", "unloaded")
        triton.load_model("colour", headers=headers)
        assert triton.is_model_ready("colour")
        triton.infer("colour", [image()])
        with pytest.raises(utils.InferenceServerException, match="models folder already"):
            triton.load_model("evil", headers=headers, config="{}", files={"file:1/model.onnx": b"x"})


def test_errors_are_readable(triton: Any) -> None:
    for model, given, words in (
        ("nothing", image(), "no model is called 'nothing'"),
        ("length", image(), "expected 'sentence'"),
        ("colour", image(rows=np.zeros((1, 9, 9, 3), np.uint8)), r"UINT8 of shape \[-1, 8, 8, 3\]"),
        ("colour", image(rows=np.zeros((33, 8, 8, 3), np.uint8)), "at most 32"),
    ):
        with pytest.raises(utils.InferenceServerException, match=words):
            triton.infer(model, [given])


def test_async_infer_of_the_threaded_client(triton: Any, expected: Any) -> None:
    waiting = [triton.async_infer("colour", [image(rows=ROWS[n : n + 1])]) for n in range(20)]
    found = np.concatenate([each.get_result().as_numpy("scores") for each in waiting])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_asyncio_client(tiny_url: str, expected: Any) -> None:
    async def ask() -> None:
        async with aio.InferenceServerClient(tiny_url.removeprefix("http://")) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready("colour")
            assert (await client.get_model_metadata("colour"))["name"] == "colour"
            answers = await asyncio.gather(*(client.infer("colour", [image(n % 2 == 0)]) for n in range(8)))
            for answer in answers:
                np.testing.assert_allclose(answer.as_numpy("scores"), expected, atol=1e-5)
            for algorithm in ("gzip", "deflate"):
                answer = await client.infer(
                    "colour",
                    [image()],
                    outputs=[httpclient.InferRequestedOutput("scores", class_count=3)],
                    request_compression_algorithm=algorithm,
                    response_compression_algorithm=algorithm,
                )
                assert answer.as_numpy("scores").shape == (20, 3)
            assert (await client.get_inference_statistics("colour"))["model_stats"][0]["inference_count"] >= 20
            assert len(await client.get_model_repository_index()) == 2
            with pytest.raises(utils.InferenceServerException, match="no model is called"):
                await client.infer("nothing", [image()])

    asyncio.run(ask())
