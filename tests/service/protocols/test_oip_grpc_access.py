"""Keys over gRPC: the same as over HTTP, in the call's metadata."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from service.protocols.oip_grpc_handlers import LEFT_OUT
from service.protocols.oip_messages import SERVICE, message_class, rpcs
from tests.conftest import free_port, plain, serving
from tests.service.administrator import KEY as ADMIN_KEY
from tests.service.keyholders import ALL, MONITOR, PAINTER, bearer, digest, entry, write_keys
from tests.service.protocols.calls import pixels_in, request
from tests.service.protocols.infer import RED_BLUE

ADMIN = bearer(ADMIN_KEY)
OPEN = {"ServerLive", "ServerReady"}
ADMINISTRATION = {"RepositoryModelLoad", "RepositoryModelUnload"}
COLOUR = request(model_name="colour", id="7", **pixels_in(RED_BLUE))
OK = grpc.StatusCode.OK


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, grpc.Channel]]:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "admin").write_text(digest(ADMIN_KEY))
    keys = write_keys(folder / "keys", entry("hasty", "hasty", rate=0.01, burst=3))
    port = free_port()
    with (
        serving(models=tiny_models, workers=1, grpc_port=port, keys_file=keys, admin_key_file=folder / "admin") as url,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        grpc.channel_ready_future(channel).result(timeout=30)
        yield url, channel


@pytest.fixture
def channel(service: tuple[str, grpc.Channel]) -> grpc.Channel:
    return service[1]


def call(channel: grpc.Channel, name: str, headers: dict[str, str], message: Any = None) -> grpc.StatusCode:
    body = b"" if message is None else message.SerializeToString()
    future = channel.unary_unary(f"/{SERVICE}/{name}").future(body, metadata=tuple(headers.items()), timeout=20)
    future.exception()
    code: grpc.StatusCode = future.code()
    return code


def stream(channel: grpc.Channel, headers: dict[str, str], *messages: Any) -> list[Any]:
    read = message_class("ModelStreamInferResponse").FromString
    calls = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    asked = (message.SerializeToString() for message in messages)
    return [read(each) for each in calls(asked, metadata=tuple(headers.items()), timeout=20)]


def test_every_call_needs_a_key_but_health(channel: grpc.Channel) -> None:
    names = {rpc.name for rpc in rpcs()} - LEFT_OUT.keys() - {"ModelStreamInfer"}
    assert len(names) > 8
    for headers in ({}, bearer("nobody's"), ADMIN):
        answered = {name for name in names if call(channel, name, headers) is not grpc.StatusCode.UNAUTHENTICATED}
        assert answered == OPEN | (ADMINISTRATION if headers is ADMIN else set())
        with pytest.raises(grpc.RpcError) as refusal:
            stream(channel, headers, COLOUR)
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    for name in ADMINISTRATION:
        assert call(channel, name, ALL) is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_is_for_its_models(channel: grpc.Channel) -> None:
    assert call(channel, "ModelInfer", PAINTER, COLOUR) is OK
    assert call(channel, "ModelInfer", MONITOR, COLOUR) is grpc.StatusCode.PERMISSION_DENIED
    assert call(channel, "RepositoryIndex", MONITOR) is OK
    (answer,) = stream(channel, PAINTER, COLOUR)
    assert answer.infer_response.model_name == "colour"
    (answer,) = stream(channel, MONITOR, COLOUR)
    assert "not for predictions" in answer.error_message
    assert answer.infer_response.id == "7"


def test_requests_of_a_stream_are_counted_as_others(channel: grpc.Channel) -> None:
    answers = stream(channel, bearer("hasty"), *[COLOUR] * 4)
    assert ["requests a second" in answer.error_message for answer in answers] == [False, False, False, True]
    assert call(channel, "ModelInfer", bearer("hasty"), COLOUR) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(channel, "ServerLive", bearer("hasty")) is OK


def test_refusals_by_key_are_counted_as_over_http(service: tuple[str, grpc.Channel]) -> None:
    url, channel = service

    def rejected() -> Counter[str]:
        text = httpx2.get(f"{url}/metrics", headers=ALL).text
        found = re.findall(r'^maxpool_rejected_total{reason="(\w+)"} (\S+)$', text, re.MULTILINE)
        return Counter({reason: int(float(count)) for reason, count in found})

    def over_http(headers: dict[str, str]) -> int:
        return httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red"), headers=headers).status_code

    for _ in range(3):  # what it may
        call(channel, "ModelMetadata", bearer("hasty"))
    before = rejected()
    assert call(channel, "ModelInfer", {}, COLOUR) is grpc.StatusCode.UNAUTHENTICATED
    assert call(channel, "ModelMetadata", bearer("nobody's")) is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError):
        stream(channel, bearer("nobody's"), COLOUR)
    assert rejected() - before == {"Unauthorized": 3}
    assert call(channel, "ModelInfer", bearer("hasty"), COLOUR) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(channel, "ModelInfer", MONITOR, COLOUR) is grpc.StatusCode.PERMISSION_DENIED
    (answer,) = stream(channel, bearer("hasty"), COLOUR)
    assert "requests a second" in answer.error_message
    by_grpc = rejected() - before
    assert by_grpc == {"Unauthorized": 3, "TooManyRequests": 2, "Forbidden": 1}
    assert [over_http(headers) for headers in ({}, {}, {}, bearer("hasty"), bearer("hasty"), MONITOR)] == [
        *(401, 401, 401, 429, 429, 403)
    ]
    assert rejected() - before == by_grpc + by_grpc
