"""What clients can not do to the log: make a line look like another one, or leave in it what is nobody's business."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from service.protocols.oip_messages import SERVICE
from tests.conftest import free_port
from tests.service.keyholders import KEYS, bearer, write_keys
from tests.service.logged import Logged, Served, ask, id_of, logged, parsed, serving_logged, write_models
from tests.service.protocols.calls import request
from tests.service.test_connection import answer_to, codes

COLOUR, LENGTH = "/v1/models/colour/predict", "/v1/models/length/predict"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_logged(models, tmp_path_factory.mktemp("log") / "log") as given:
        yield given


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "a\x7fb", "ü\u2028", '"},{"level":"info', "%", "\x00"])
def test_whatever_a_client_calls_things_a_line_is_one_line(served: Served, name: str) -> None:
    """Names of models, paths, files, clients: whatever the log has of them, each line is ASCII and parses."""
    before = len(served.log.lines())
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    paths = (f"/v1/models/{quoted}/predict", f"/{quoted}", f"/v1/models/{quoted}:predict", f"/predictions/{quoted}")
    ids = [served.http.post(path, content=b"x").headers["x-request-id"] for path in paths]
    form = {"file": (name, b"no picture", "image/png")}
    ids.append(served.http.post(COLOUR, files=form).headers["x-request-id"])
    for each in ids:
        assert served.log.line(each)["status"] in (400, 404)
    ask(served.channel, "ModelInfer", request(model_name=name).SerializeToString(), name.encode().hex())
    ask(served.channel, "ModelReady", request(model_name=name).SerializeToString(), "ready")
    assert served.log.line(name.encode().hex())["status"] == 404
    assert {line["logger"] for line in served.log.lines()[before:]} == {"maxpool.request"}


@pytest.mark.parametrize(
    "raw",
    [b"\x7f", b"\xff\xfe", b"\xed\xa0\x80", b"%ed%a0%80", b"%0a%0d", b"%1b[2J", b'"\\', b"%e2%80%a8"],
)
def test_whatever_bytes_are_in_a_path_or_a_header_a_line_is_one_line(served: Served, raw: bytes) -> None:
    for head in (b"GET /a" + raw + b" HTTP/1.1\r\n", b"GET /b HTTP/1.1\r\nx-request-id: a" + raw + b"\r\n"):
        answer = answer_to(served.log.url, head + b"host: x\r\nconnection: close\r\n\r\n")
        assert codes(answer) in ([404], [400])
        assert served.log.line(id_of(answer))["status"] in (404, 400)


SECRETS = {"key": "sekret-of-a-key", "query": "sekret-of-a-query", "body": "sekret-of-a-body", "other": "sekret-other"}


def leaks(log: bytes) -> set[str]:
    return {name for name, secret in SECRETS.items() if secret.encode() in log}


def ask_with_secrets(log: Logged, port: int, headers: dict[str, str]) -> None:
    """In every place that a client can put one, of good requests and bad ones."""
    query, body, other = SECRETS["query"], SECRETS["body"], SECRETS["other"]
    sent = {**headers, "cookie": other, "x-request-timeout-ms": other, "x-other": other, "user-agent": other}
    paths = (LENGTH, COLOUR, "/v1/models/length:predict", "/v2/models/length/infer", "/predictions/length", "/nothing")
    bodies: tuple[dict[str, Any], ...] = (
        {"content": body},
        {"content": body, "headers": {"content-type": "text/plain"}},
        {"json": {"inputs": body, "instances": [body], body: body}},
        {"files": {"file": (body, body.encode(), "image/png")}},
        {"content": body, "headers": {"content-encoding": other, "content-type": other}},
    )
    with httpx2.Client(base_url=log.url, timeout=30) as http:
        for path in paths:
            for given in bodies:
                for some in (headers, sent):
                    http.post(f"{path}?top_k={query}", **{**given, "headers": {**some, **given.get("headers", {})}})
                    http.post(path, **{**given, "headers": {**some, **given.get("headers", {})}})
        http.get("/nothing", params={"q": query}, headers=sent)
        http.post("/v2/repository/models/length/load", json={body: body}, headers=sent)
        answer = http.post(LENGTH, json={"inputs": body}, headers={**headers, "x-request-id": "last"})
    with suppress(ConnectionError):
        answer_to(log.url, f"POST {LENGTH}?{query} HTTP/1.1\r\nhost: x\r\n{other} {body}\r\n\r\n{body}".encode())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        metadata = (*headers.items(), ("other", other))
        message = request(model_name="length", inputs=[{"name": body, "datatype": body, "shape": [1]}], id=body)
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        call.future(message.SerializeToString(), metadata=metadata, timeout=20).exception()
        call.future(body.encode(), metadata=metadata, timeout=20).exception()
    assert answer.headers["x-request-id"] == "last"


def test_no_key_no_query_and_no_body_is_ever_in_the_log(models: Path, tmp_path: Path) -> None:
    port = free_port()
    keys = write_keys(tmp_path / "keys")
    with logged(models, tmp_path / "log", keys_file=keys, grpc_port=port, log_level="debug") as log:
        ask_with_secrets(log, port, bearer(SECRETS["key"]))
        ask_with_secrets(log, port, bearer(KEYS["all"]))
    written = log.file.read_bytes()
    statuses = {line["status"] for line in parsed(written) if "status" in line}
    assert {200, 400, 401, 404} <= statuses  # all of it was logged
    assert leaks(written) == set()
    assert KEYS["all"].encode() not in written


def test_a_log_that_has_them_is_found_out(models: Path, tmp_path: Path) -> None:
    port = free_port()
    with logged(models, tmp_path / "log", module="tests.service.faulty", grpc_port=port) as log:
        ask_with_secrets(log, port, bearer(SECRETS["key"]))
    assert leaks(log.file.read_bytes()) == SECRETS.keys()
