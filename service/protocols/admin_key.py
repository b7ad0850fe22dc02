"""The key of those who load and unload models and end rollouts, apart from everything that asks them."""

import hashlib
import hmac
from pathlib import Path

from service.errors import Forbidden, SettingsError, Unauthorized

DIGEST = "sha256:"  # before the hexadecimal digest, in a file that does not have the key itself
SHORTEST = 16  # characters
SETTING = "MAXPOOL_ADMIN_KEY_FILE"


class AdminKey:
    """Held as its digest, so that no error and no log can tell it."""

    def __init__(self, digest: bytes | None) -> None:
        self.digest = digest

    @classmethod
    def read(cls, file: str) -> "AdminKey":
        """No key where there is no file. Raises SettingsError, which does not have what the file has."""
        if not file:
            return cls(None)
        try:
            text = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{SETTING} is {file}: it can not be read ({type(error).__name__})") from None
        if not text.startswith(DIGEST):
            if len(text) < SHORTEST or not text.isascii():
                raise SettingsError(
                    f"{SETTING} is {file}: its key has {len(text)} characters, expected at least {SHORTEST} and all of "
                    "ASCII, as `openssl rand -hex 32` makes them"
                )
            return cls(hashlib.sha256(text.encode()).digest())
        try:
            digest = bytes.fromhex(text.removeprefix(DIGEST))
        except ValueError:
            digest = b""
        if len(digest) != hashlib.sha256().digest_size:
            raise SettingsError(f"{SETTING} is {file}: expected 64 hexadecimal digits after {DIGEST}")
        return cls(digest)

    def check(self, authorization: str) -> None:
        """The header's value, `Bearer` and the key. Raises Forbidden where there is no key, Unauthorized."""
        if self.digest is None:
            raise Forbidden(
                f"an administrator loads and unloads models and ends rollouts, and there is none: set {SETTING} to a "
                "file with a key, or change the models folder, which is watched (MAXPOOL_RELOAD_SECONDS)"
            )
        scheme, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "replace")).digest()
        if not hmac.compare_digest(given, self.digest) or scheme.lower() != "bearer":
            raise Unauthorized(
                "loading or unloading a model, or ending a rollout, needs the administrator's key: "
                "Authorization: Bearer <key>"
            )
