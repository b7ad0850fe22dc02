"""T6, what the disk itself refuses: files that may not be read, and a disk that is full amid a copy."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT, answers, eventually, free_port, plain, serving, wait_until, write_colour
from tests.service.test_reload import statuses

# Root may read whatever it likes, but for this.
BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search")


@contextmanager
def serving_bound(models: Path) -> Iterator[str]:
    """By a process to which the permissions of files apply."""
    port = free_port()
    settings = {"PORT": port, "GRPC_PORT": 0, "WORKERS": 1, "MODELS": models, "RELOAD_SECONDS": 1}
    environ = {**os.environ, **{f"MAXPOOL_{name}": str(value) for name, value in settings.items()}}
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root can not be bound without setpriv")
    command = [*(BOUND if os.geteuid() == 0 else ()), sys.executable, "-m", "service"]
    with subprocess.Popen(command, cwd=ROOT, env=environ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/healthz"), process)
            yield url
        finally:
            process.terminate()


def predicts(url: str) -> str:
    return str(httpx2.post(f"{url}/v1/models/colour/predict", content=plain("red")).json()["version"])


def test_a_version_that_may_not_be_read_is_refused_until_it_may(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_colour(models / "colour" / "1")
    with serving_bound(models) as url:
        coming = write_colour(tmp_path / "colour" / "2")
        (coming / "model.onnx").chmod(0)
        coming.rename(models / "colour" / "2")
        eventually(lambda: statuses(url).get(("colour", "2")) == "refused")
        assert predicts(url) == "1"
        assert httpx2.get(f"{url}/readyz").status_code == 200
        (models / "colour" / "2" / "model.onnx").chmod(0o644)
        eventually(lambda: statuses(url).get(("colour", "2")) == "ready")
        assert predicts(url) == "2"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_version_that_did_not_fit_on_the_disk_is_refused_and_the_old_one_serves(
    small_disk: Path, tmp_path: Path
) -> None:
    write_colour(small_disk / "colour" / "1")
    coming = write_colour(tmp_path / "coming" / "colour" / "2")
    (small_disk / "ballast").write_bytes(bytes(1024 * 1024 - 48 * 1024))
    (coming / "weights").write_bytes(bytes(256 * 1024))
    with serving(models=small_disk, workers=1, reload_seconds=1) as url:
        with pytest.raises((OSError, shutil.Error), match=os.strerror(errno.ENOSPC)):
            shutil.copytree(coming, small_disk / "colour" / "2")
        (small_disk / "colour" / "2" / "model.json").unlink(missing_ok=True)  # or whatever else did not fit
        eventually(lambda: statuses(url).get(("colour", "2")) == "refused")
        assert predicts(url) == "1"
        assert httpx2.get(f"{url}/readyz").status_code == 200
