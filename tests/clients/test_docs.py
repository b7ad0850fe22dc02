"""docs/oip.md and docs/clients.md are executable."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, eventually, free_port, serving

PAGE = (Path(__file__).parent.parent.parent / "docs" / "oip.md").read_text()
PYTHON = dict(re.findall(r"## (tritonclient|kserve)\n```python\n(.+?)```", PAGE, re.DOTALL))
(GRPC,) = re.findall(r"## gRPC\n.+?```python\n(.+?)```", PAGE, re.DOTALL)
(CURL,) = re.findall(r"## curl\n```console\n(.+?)```", PAGE, re.DOTALL)
SERVER = "127.0.0.1:8000"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.mark.parametrize(("client", "answer"), [("tritonclient", r"0\.\d+:\d:\d"), ("kserve", "scores")])
def test_the_python_lines_print_scores(service_url: str, client: str, answer: str) -> None:
    skip_without(client)
    assert re.search(answer, printed_by(PYTHON[client].replace(SERVER, service_url.removeprefix("http://"))))


def test_the_python_lines_over_grpc_print_scores() -> None:
    skip_without("tritonclient.grpc")
    port = free_port()
    with serving(models=ROOT / "models", grpc_port=port):
        wait_for_port(port)
        printed = printed_by(GRPC.replace("127.0.0.1:8001", f"127.0.0.1:{port}"))
    assert re.search(r"0\.\d+:\d:\d", printed)


def skip_without(client: str) -> None:
    """A module, or a command."""
    if importlib.util.find_spec(client.partition(".")[0]) is None and shutil.which(client, path=PATH) is None:
        pytest.skip(f"{client} is not installed: make clients")


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


PAGES = (Path(__file__).parent.parent.parent / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"\n## ([^\n]+)\n(?:(?!```|#)[^\n]*\n)*```(python|console)\n(.+?)```", PAGES, re.DOTALL)
WANTED = {
    "maxpool-client": (None, "3\npositive"),
    "curl": (None, '"label":"positive"'),
    "tritonclient": ("tritonclient.http", ":3:3"),
    "perf_analyzer": ("perf_analyzer", "Throughput"),
    "mlserver infer": ("mlserver", '"scores"'),
    "tritonclient.grpc": ("tritonclient.grpc", ":3:3"),
    "kserve": ("kserve", "'label': '3'"),
    "huggingface_hub": ("huggingface_hub", "label='3'"),
    "TorchServe": (None, "Healthy"),
    "SageMaker": (None, '"label":"3"'),
    "Vertex AI": (None, "predictions"),
    "text-embeddings-inference": (None, '[{"label":"positive"'),
}


@pytest.fixture(scope="module")
def default_url() -> Iterator[tuple[str, int]]:
    port = free_port()
    with serving(models=ROOT / "models", workers=1, default_model="lenet5-mnist,textcnn-mr", grpc_port=port) as url:
        wait_for_port(port)
        yield url, port


def test_every_client_has_its_block() -> None:
    assert [title for title, _, _ in BLOCKS] == list(WANTED)


@pytest.mark.parametrize(("title", "kind", "block"), BLOCKS, ids=[title for title, _, _ in BLOCKS])
def test_the_lines_of_each_client_print_what_the_model_says(
    title: str, kind: str, block: str, default_url: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, wanted = WANTED[title]
    if module:
        skip_without(module)
    (tmp_path / "digit.png").write_bytes((ROOT / "models/lenet5-mnist/1/golden/digit-3.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    url, port = default_url
    lines = block.replace(f"http://{SERVER}", url).replace(SERVER, url.removeprefix("http://"))
    lines = lines.replace("127.0.0.1:8001", f"127.0.0.1:{port}")
    if kind == "console":
        environ = {**os.environ, "PATH": PATH}
        ran = subprocess.run(["bash", "-ec", lines], capture_output=True, text=True, check=False, env=environ)
        assert ran.returncode == 0, ran.stderr
        assert wanted in ran.stdout
        return
    assert wanted in printed_by(lines)


def printed_by(lines: str) -> str:
    """In a process of its own: kserve and tritonclient.grpc bring the same messages and can not share one."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "client/src")}
    command = [sys.executable, "-c", lines]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
