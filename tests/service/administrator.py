"""A service with an administrator's key, and what the administrator does."""

import hashlib
from pathlib import Path
from typing import Any

import httpx2

from tests.conftest import two_workers

KEY = "a key that only the administrator has"
ADMIN = {"Authorization": f"Bearer {KEY}"}


def administered(models: Path, **settings: str) -> Any:
    """The process id and the URL of a service of two workers with a key."""
    key = models.parent / "key"
    key.write_text(f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
    return two_workers(models, MAXPOOL_ADMIN_KEY_FILE=str(key), **settings)


def control(url: str, name: str, verb: str) -> httpx2.Response:
    return httpx2.post(f"{url}/v2/repository/models/{name}/{verb}", headers=ADMIN, timeout=60)
