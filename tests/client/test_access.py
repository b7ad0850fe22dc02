"""The clients and the command against a service with keys."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from maxpool_client import AsyncClient, Client, Overloaded, Unauthorized
from maxpool_client._command import main

from tests.conftest import serving
from tests.service.keyholders import KEYS, entry, write_keys

from .conftest import Caller


@pytest.fixture(scope="module")
def url(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    hasty = entry("hasty", "hasty", rate=1, burst=1)
    spent = entry("spent", "spent", rate=0.001, burst=1)
    keys = write_keys(tmp_path_factory.mktemp("keys") / "keys", hasty, spent)
    with serving(models=tiny_models, workers=2, keys_file=keys) as url:
        yield url


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("MAXPOOL_API_KEY", raising=False)
    return monkeypatch


def test_who_has_no_key_or_another_one_is_told(call: Caller, url: str, key: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer") as refusal:
        call(url, lambda c: c.models())
    assert refusal.value.status == 401
    assert call(url, lambda c: c.health()).ready
    key.setenv("MAXPOOL_API_KEY", KEYS["painter"])
    assert {model.name for model in call(url, lambda c: c.models())} == {"colour", "length"}
    with pytest.raises(Unauthorized, match="it is for colour") as refusal:
        call(url, lambda c: c.classify("length", "hello"))
    assert refusal.value.status == 403


def test_a_client_waits_as_long_as_it_is_asked_to(url: str) -> None:
    with Client(url, api_key="hasty") as client:
        start = time.monotonic()
        assert [client.classify("length", "hello").label for _ in range(3)] == ["short"] * 3
        assert time.monotonic() - start > 2

    async def ask() -> str:
        async with AsyncClient(url, api_key="hasty") as client:
            return (await client.classify("length", "hello")).label

    assert asyncio.run(ask()) == "short"


def test_a_client_that_is_asked_to_wait_for_long_gives_up(url: str) -> None:
    with Client(url, api_key="spent") as client:
        assert client.classify("length", "hello").label == "short"
        with pytest.raises(Overloaded, match="requests a second") as refusal:
            client.classify("length", "hello")
    assert refusal.value.status == 429
    assert refusal.value.retry_after > 900


def test_a_stream_goes_at_the_pace_of_its_key(call: Caller, url: str) -> None:
    with Client(url, api_key="hasty") as client:
        found = [answer.label for _, answer in client.classify_many("length", ["a", "b"] * 150)]
    assert found == ["short"] * 300


def test_the_command_has_the_key_from_an_option_or_the_environment(
    url: str, key: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--url", url]) == 2
    assert "Authorization: Bearer" in capsys.readouterr().err
    assert main(["models", "--url", url, "--api-key", KEYS["monitor"]]) == 0
    key.setenv("MAXPOOL_API_KEY", KEYS["all"])
    assert main(["classify", "length", "hello", "--url", url]) == 0
    assert main(["classify", "length", "hello", "--url", url, "--api-key", KEYS["painter"]]) == 2
    assert "it is for colour" in capsys.readouterr().err
