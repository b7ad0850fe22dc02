"""docs/oip.md is executable."""

import contextlib
import io
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, eventually, free_port, serving

PAGE = (Path(__file__).parent.parent.parent / "docs" / "oip.md").read_text()
PYTHON = dict(re.findall(r"## (tritonclient|kserve)\n```python\n(.+?)```", PAGE, re.DOTALL))
(GRPC,) = re.findall(r"## gRPC\n.+?```python\n(.+?)```", PAGE, re.DOTALL)
(CURL,) = re.findall(r"## curl\n```console\n(.+?)```", PAGE, re.DOTALL)
SERVER = "127.0.0.1:8000"


@pytest.mark.parametrize(("client", "answer"), [("tritonclient", r"0\.\d+:\d:\d"), ("kserve", "scores")])
def test_the_python_lines_print_scores(service_url: str, client: str, answer: str) -> None:
    pytest.importorskip(client, reason=f"{client} is not installed: make clients")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(PYTHON[client].replace(SERVER, service_url.removeprefix("http://")), {})
    assert re.search(answer, out.getvalue())


def test_the_python_lines_over_grpc_print_scores() -> None:
    pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed: make clients")
    port = free_port()
    out = io.StringIO()
    with serving(models=ROOT / "models", grpc_port=port), contextlib.redirect_stdout(out):
        wait_for_port(port)
        exec(GRPC.replace("127.0.0.1:8001", f"127.0.0.1:{port}"), {})
    assert re.search(r"0\.\d+:\d:\d", out.getvalue())


def wait_for_port(port: int) -> None:
    def takes_connections() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    eventually(takes_connections)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_lines_print_scores(service_url: str) -> None:
    script = "set -e\n" + CURL.replace(f"http://{SERVER}", service_url)
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert printed.count(b'"name":"scores"') == 2
    assert b":positive" in printed
