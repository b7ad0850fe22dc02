"""kserve's InferenceRESTClient, unmodified, against a real server."""

import asyncio
from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from tests.conftest import plain

kserve: Any = pytest.importorskip("kserve", reason="kserve is not installed: make clients")

ROWS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("binary", [True, False])
def test_the_v2_rest_client(tiny_url: str, binary: bool) -> None:
    async def ask() -> None:
        client = kserve.InferenceRESTClient(kserve.inference_client.RESTConfig(protocol="v2", retries=0))
        assert await client.is_server_live(tiny_url)
        assert await client.is_server_ready(tiny_url)
        assert await client.is_model_ready(tiny_url, "colour")
        assert not await client.is_model_ready(tiny_url, "nothing")
        image = kserve.InferInput("image", list(ROWS.shape), "UINT8")
        image.set_data_from_numpy(ROWS, binary_data=binary)
        output = kserve.protocol.infer_type.RequestedOutput("scores", parameters={"binary_data": binary})
        request = kserve.InferRequest("colour", [image], request_id="seven", request_outputs=[output])
        response = await client.infer(tiny_url, request, model_name="colour")
        assert response.id == "seven"
        scores = response.outputs[0].as_numpy()
        np.testing.assert_array_equal(scores.argmax(axis=1), ROWS.mean(axis=(1, 2)).argmax(axis=1))
        texts = np.array([b"so it goes", b"one two three four five"], dtype=np.object_)
        sentence = kserve.InferInput("sentence", [2], "BYTES")
        sentence.set_data_from_numpy(texts, binary_data=binary)
        response = await client.infer(tiny_url, kserve.InferRequest("length", [sentence]), model_name="length")
        assert response.outputs[0].as_numpy().argmax(axis=1).tolist() == [0, 1]
        with pytest.raises(Exception, match="no model is called"):
            await client.infer(tiny_url, kserve.InferRequest("nothing", [sentence]), model_name="nothing")
        await client.close()

    asyncio.run(ask())


def test_the_v1_rest_client(tiny_url: str) -> None:
    async def ask() -> None:
        client = kserve.InferenceRESTClient(kserve.inference_client.RESTConfig(protocol="v1", retries=0))
        assert await client.is_server_live(tiny_url)
        assert await client.is_model_ready(tiny_url, "colour")
        instances = [{"b64": b64encode(plain(colour)).decode()} for colour in ("red", "blue")]
        answer = await client.infer(tiny_url, {"instances": instances}, model_name="colour")
        assert np.array(answer["predictions"]).argmax(axis=1).tolist() == [0, 2]
        with pytest.raises(Exception, match="instances"):
            await client.infer(tiny_url, {"instances": []}, model_name="colour")
        await client.close()

    asyncio.run(ask())
