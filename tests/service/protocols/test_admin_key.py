import hashlib
from pathlib import Path

import pytest

from service.errors import Forbidden, SettingsError, Unauthorized
from service.protocols.admin_key import AdminKey

KEY = "sesame, open yourself"


@pytest.mark.parametrize("written", [KEY, f"{KEY}\n", f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()}\n"])
def test_a_file_has_the_key_or_its_digest(tmp_path: Path, written: str) -> None:
    (tmp_path / "key").write_text(written)
    key = AdminKey.read(str(tmp_path / "key"))
    key.check(f"Bearer {KEY}")
    key.check(f"bearer {KEY}")
    for wrong in (
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY[:-1]}",
        f"Bearer {written.strip()}x",
        "Bearer \xff",
    ):
        with pytest.raises(Unauthorized) as refusal:
            key.check(wrong)
        assert KEY not in str(refusal.value)


def test_a_digest_is_no_key(tmp_path: Path) -> None:
    digest = f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"
    (tmp_path / "key").write_text(digest)
    with pytest.raises(Unauthorized):
        AdminKey.read(str(tmp_path / "key")).check(f"Bearer {digest}")


def test_without_a_file_nobody_is_let_in() -> None:
    for given in ("", "Bearer ", f"Bearer {KEY}"):
        with pytest.raises(Forbidden, match="MAXPOOL_ADMIN_KEY_FILE"):
            AdminKey.read("").check(given)


@pytest.mark.parametrize("written", ["", "short", "sha256:", "sha256:abc", f"sha256:{'g' * 64}", "sha256:" + "ab" * 31])
def test_a_file_without_a_good_key_is_refused_and_not_quoted(tmp_path: Path, written: str) -> None:
    (tmp_path / "key").write_text(written)
    with pytest.raises(SettingsError, match="MAXPOOL_ADMIN_KEY_FILE") as refusal:
        AdminKey.read(str(tmp_path / "key"))
    assert not written.removeprefix("sha256:") or written.removeprefix("sha256:") not in str(refusal.value)
    with pytest.raises(SettingsError, match="can not be read"):
        AdminKey.read(str(tmp_path / "nothing"))
    (tmp_path / "key").write_bytes(b"\xff" * 32)
    with pytest.raises(SettingsError, match="can not be read"):
        AdminKey.read(str(tmp_path / "key"))
