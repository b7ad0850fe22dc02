"""The keys that requests must have where there is a file of them: who has each, and what it is good for."""

import asyncio
import hashlib
import hmac
import logging
import math
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.errors import Forbidden, SettingsError, TooManyRequests, Unauthorized
from service.limits import Limit, Limits, Quota

log = logging.getLogger("maxpool")
SETTING = "MAXPOOL_KEYS_FILE"
LOOK_SECONDS = 1  # from one look at the file to the next
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Entry(BaseModel):
    """Of one who has a key, as the file has it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    digests: list[Digest] = Field(min_length=1)
    models: list[str] | None = None  # for predictions; None for all
    rate: float = Field(math.inf, ge=0.001)
    burst: int | None = Field(None, ge=1)
    concurrency: int | None = Field(None, ge=1)

    @property
    def quota(self) -> Quota | None:
        if self.rate == math.inf and self.concurrency is None:
            return None
        burst = self.burst or (1 if self.rate == math.inf else math.ceil(self.rate))
        return Quota(self.rate, burst, self.concurrency or math.inf)


FILE = TypeAdapter(dict[str, Entry])


class ApiKey:
    """Somebody's right to ask; the key itself is not in it."""

    def __init__(self, name: str, models: list[str] | None, limit: Limit | None) -> None:
        self.name = name
        self._models = models
        self._limit = limit

    def check_model(self, name: str) -> None:
        """Raises Forbidden."""
        if self._models is not None and name not in self._models:
            allowed = ", ".join(self._models) or "none"
            raise Forbidden(f"this key is not for predictions of {name!r}: it is for {allowed}")

    def enter(self) -> None:
        """For a request, followed by `leave`. Raises TooManyRequests."""
        if self._limit is not None:
            self._limit.enter()

    def leave(self) -> None:
        if self._limit is not None:
            self._limit.leave()


class ApiKeys:
    def __init__(self, file: str, limits: Limits, rejected: Counter, admin_digest: bytes | None = None) -> None:
        """Raises SettingsError, which does not have what the file has."""
        self._file = Path(file)
        self._limits = limits
        self._rejected = rejected  # maxpool_rejected_total, over whatever protocol they come
        self._admin_digest = admin_digest
        self._seen = self._look()
        self._keys = self._read()

    def find(self, authorization: str) -> ApiKey:
        """By the header's value, `Bearer` and the key. Takes the same time whatever the key is. Raises Unauthorized."""
        scheme, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "replace")).digest()
        found = None
        for digest, api_key in self._keys:
            if hmac.compare_digest(given, digest):
                found = api_key
        if found is None or scheme.lower() != "bearer":
            self._rejected.labels(Unauthorized.__name__).inc()
            raise Unauthorized("this needs a key that the service knows: Authorization: Bearer <key>")
        return found

    @contextmanager
    def admit(self, authorization: str) -> Iterator[ApiKey]:
        """A request, for as long as it takes. Raises Unauthorized, TooManyRequests."""
        key = self.find(authorization)
        try:
            key.enter()
        except TooManyRequests:
            self._rejected.labels(TooManyRequests.__name__).inc()
            raise
        try:
            yield key
        finally:
            key.leave()

    def refresh(self) -> None:
        """Takes up a file that has changed; one that is broken is logged, and the keys are those of before."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys = self._read()
                log.info("%s: there are other keys now", self._file)
            except SettingsError as error:
                log.error("the keys stay as they were: %s", error)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.refresh)

    def _look(self) -> tuple[int, int, int] | None:
        """What a file has that is another one, or was written to."""
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> list[tuple[bytes, ApiKey]]:
        """Raises SettingsError."""
        try:
            entries = FILE.validate_python(tomllib.loads(self._file.read_text()))
        except OSError as error:
            raise self._wrong(f"it can not be read ({type(error).__name__})") from None
        # Of TOML, of UTF-8, or of pydantic, whose own text quotes what the file has.
        except (ValueError, RecursionError) as error:
            raise self._wrong(what_is_wrong(error)) from None
        keys: list[tuple[bytes, ApiKey]] = []
        for name, entry in entries.items():
            limit = self._limits.of(name, entry.quota) if entry.quota else None
            api_key = ApiKey(name, entry.models, limit)
            keys += [(bytes.fromhex(digest.removeprefix("sha256:")), api_key) for digest in entry.digests]
        digests = [digest for digest, _ in keys]
        if not digests:
            raise self._wrong("it has no keys")
        if len(set(digests)) < len(digests):
            raise self._wrong("it has a digest twice")
        if self._admin_digest in digests:
            raise self._wrong("it has the administrator's key, which is to be another one")
        return keys

    def _wrong(self, reason: str) -> SettingsError:
        return SettingsError(f"{SETTING} is {self._file}: {reason}; docs/operations.md has an example")


def what_is_wrong(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return f"not UTF-8 ({error.reason})" if isinstance(error, UnicodeDecodeError) else f"not TOML ({error})"
