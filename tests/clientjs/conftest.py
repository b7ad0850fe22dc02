"""The TypeScript client as npm and tsc make it of client-js/, once for all tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCE = ROOT / "client-js"
MADE = ("node_modules", "dist")
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of client-js/ with its dist/."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = tmp_path_factory.mktemp("npm") / "client-js"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(*MADE))
    try:
        installed = run(folder, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci took longer than two minutes")
    if any(code in installed.stderr for code in NO_NETWORK):
        pytest.skip(f"npm reaches no registry: {installed.stderr[-500:]}")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    built = run(folder, "npm", "run", "prepare")
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def run(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, timeout=120, check=False
    )
