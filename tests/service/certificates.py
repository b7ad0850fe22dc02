"""A certificate of this machine, signed by itself."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def write_certificate(folder: Path, name: str = "tls") -> dict[str, Path]:
    """The settings for it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    files = {"tls_certificate": folder / f"{name}.crt", "tls_key": folder / f"{name}.key"}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command += ["-out", str(files["tls_certificate"]), "-keyout", str(files["tls_key"])]
    subprocess.run(command, check=True, capture_output=True)
    return files


def trusting(files: dict[str, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files["tls_certificate"])
