"""TLS with a certificate made here, verified by those who connect; with one worker and with two."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlparse

import grpc
import httpx2
import pytest
from maxpool_client import Client, ConnectionFailed

from service.errors import SettingsError
from service.tls import server_context
from tests.conftest import ROOT, free_port, plain, wait_until
from tests.service.certificates import trusting, write_certificate
from tests.service.protocols.calls import Stub
from tests.service.test_connection import BODY, HEALTH, PREDICT, PREDICTION, codes, received

RECEIVE_SECONDS = 2
Service = tuple[str, dict[str, Path], int]  # URL, the certificate's settings, the port of gRPC


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def service(tiny_models: Path, certificate: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Service]:
    port, grpc_port = free_port(), free_port()
    settings = {
        **certificate,
        "models": tiny_models,
        "port": port,
        "grpc_port": grpc_port,
        "workers": request.param,
        "receive_seconds": RECEIVE_SECONDS,
        "keep_alive_seconds": 1,
        "max_body_bytes": 64 * 1024 * 1024,
    }
    environ = os.environ | {f"MAXPOOL_{name.upper()}": str(value) for name, value in settings.items()}
    url = f"https://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environ) as process:

        def answers() -> bool:
            try:
                return httpx2.get(f"{url}/healthz", verify=trusting(certificate)).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            wait_until(answers, process)
            yield url, certificate, grpc_port
        finally:
            process.terminate()
            assert process.wait(30) in (0, -15)


def connect(service: Service) -> socket.socket:
    """Before the handshake."""
    return socket.create_connection(("127.0.0.1", urlparse(service[0]).port or 0), timeout=30)


def secure(service: Service) -> ssl.SSLSocket:
    return trusting(service[1]).wrap_socket(connect(service), server_hostname="127.0.0.1")


def test_who_knows_the_certificate_is_answered(service: Service) -> None:
    url, files, _ = service
    with httpx2.Client(verify=trusting(files), base_url=url, timeout=30) as http:
        for size in (8, 2000):  # the larger one is some megabytes, in many records
            answer = http.post("/v1/models/colour/predict", content=plain("red", (size, size), "PNG"))
            assert answer.json()["predictions"][0]["label"] == "red"
    transport = httpx2.HTTPTransport(verify=trusting(files))
    with Client(url, transport=transport) as client:
        assert client.classify("length", "hello").label == "short"


def test_who_does_not_know_it_does_not_send_anything(service: Service) -> None:
    with Client(service[0], max_retries=0) as client, pytest.raises(ConnectionFailed, match="certificate"):
        client.models()


def test_the_command_trusts_what_the_environment_says(service: Service) -> None:
    url, files, _ = service
    environ = os.environ | {"SSL_CERT_FILE": str(files["tls_certificate"]), "PYTHONPATH": str(ROOT / "client" / "src")}
    code = "import sys; from maxpool_client._command import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "models", "--url", url]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, "colour" in ended.stdout) == (0, True), ended.stderr


def test_nothing_older_than_tls_1_2_and_nothing_plain_is_spoken(service: Service) -> None:
    for version, spoken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = trusting(service[1])
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1") if not spoken else ExitStack():
            context.minimum_version = version
            context.maximum_version = version
        with connect(service) as plain_socket:
            try:
                with context.wrap_socket(plain_socket, server_hostname="127.0.0.1") as connection:
                    assert (connection.version(), spoken) == ("TLSv1.2", True)
            except (ssl.SSLError, ConnectionError):
                assert not spoken
    with connect(service) as connection:
        connection.sendall(HEALTH + b"\r\n")
        assert not codes(received(connection))


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing sent", "a part of the first word"])
def test_a_handshake_that_does_not_get_on_is_ended(service: Service, begun: bytes) -> None:
    with ExitStack() as opened:
        start = time.monotonic()
        slow = [opened.enter_context(connect(service)) for _ in range(50)]
        for connection in slow:
            connection.sendall(begun)
        with secure(service) as good:
            good.sendall(PREDICTION)
            assert codes(good.recv(65536)) == [200]
        for connection in slow:
            received(connection)  # until the server closes, or this times out
        assert time.monotonic() - start < 20


def test_slow_requests_are_refused_and_what_is_wrong_is_told(service: Service) -> None:
    for request, code in (
        (PREDICT + b"content-length: 100\r\n\r\n{", 408),
        (HEALTH, 408),
        (b"GET / HTTP/1.1\r\nhost: a/b?c=\r\n\r\n", 400),
        (HEALTH + b"a: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (PREDICT + b"content-length: 999999999\r\n\r\n", 413),
    ):
        with secure(service) as connection:
            connection.sendall(request)
            assert codes(received(connection)) == [code]


def test_who_has_asked_and_shuts_down_does_no_harm(service: Service) -> None:
    """A half close is the end in TLS, where a client says that it will not read either."""
    with secure(service) as connection:
        connection.sendall(PREDICTION)
        assert codes(connection.recv(65536)) == [200]
        connection.sendall(PREDICT + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
        connection.shutdown(socket.SHUT_WR)
        received(connection)
    with secure(service) as connection:
        connection.sendall(HEALTH + b"connection: close\r\n\r\n")
        assert codes(received(connection)) == [200]


def ask_for_ever(connection: ssl.SSLSocket) -> NoReturn:
    while True:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
        time.sleep(0.05)


def test_a_client_that_does_not_read_is_ended(service: Service) -> None:
    with secure(service) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(None)  # it is the server that ends it
        with pytest.raises((ConnectionError, ssl.SSLError)):
            ask_for_ever(connection)


def test_grpc_has_the_same_certificate(service: Service) -> None:
    _, files, port = service
    credentials = grpc.ssl_channel_credentials(files["tls_certificate"].read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        assert Stub(channel).ServerReady().ready
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=1)


def test_files_that_are_no_pair_refuse_to_start(certificate: dict[str, Path], tmp_path: Path) -> None:
    other = write_certificate(tmp_path, "other")
    good, key = (str(certificate[name]) for name in ("tls_certificate", "tls_key"))
    locked = tmp_path / "locked.key"
    command = ["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    for pair, words in (
        ((good, str(other["tls_key"])), "no pair"),
        ((good, good), "no pair"),
        ((key, key), "no pair"),
        ((good, str(locked)), "has a password"),
        ((good, str(tmp_path / "nothing")), "MAXPOOL_TLS_KEY .*can not be read"),
        ((str(tmp_path / "nothing"), key), "MAXPOOL_TLS_CERTIFICATE .*can not be read"),
    ):
        with pytest.raises(SettingsError, match=words):
            server_context(*pair)
    assert server_context("", "") is None
