import gzip
import hashlib
from pathlib import Path

import pytest

from scripts.download import ChecksumError, File, obtain
from tests.scripts.conftest import Web

CONTENT = b"the same bytes either way" * 1000


def file(url: str, digest: str = hashlib.sha256(CONTENT).hexdigest()) -> File:
    return File("sentences", "some.txt", f"{url}/some.txt", digest, "sha256")


@pytest.fixture
def served(web: Web) -> tuple[str, list[str]]:
    """The URL of a web server with some.txt, and the paths that were asked for."""
    (web.folder / "some.txt").write_bytes(CONTENT)
    return web.url, web.asked


def test_a_file_is_downloaded_once_and_checked(tmp_path: Path, served: tuple[str, list[str]]) -> None:
    url, asked = served
    path = obtain(file(url), None, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert obtain(file(url), None, tmp_path / "cache") == path
    assert asked == ["/some.txt"]


def test_a_folder_of_the_user_s_gives_the_same_bytes_and_asks_nobody(
    tmp_path: Path, served: tuple[str, list[str]]
) -> None:
    url, asked = served
    for folder in (tmp_path / "mine" / "sentences", tmp_path / "flat"):
        folder.mkdir(parents=True)
        (folder / "some.txt").write_bytes(CONTENT)
    assert obtain(file(url), tmp_path / "mine").read_bytes() == CONTENT
    assert obtain(file(url), tmp_path / "flat").read_bytes() == CONTENT
    assert asked == []
    with pytest.raises(FileNotFoundError, match=r"some\.txt"):
        obtain(file(url), tmp_path / "nothing")


def test_a_wrong_checksum_names_the_file_what_was_expected_and_what_was_found(
    tmp_path: Path, served: tuple[str, list[str]]
) -> None:
    url, _ = served
    with pytest.raises(ChecksumError) as error:
        obtain(file(url, "0" * 64), None, tmp_path / "cache")
    for words in ("some.txt", "0" * 64, hashlib.sha256(CONTENT).hexdigest()):
        assert words in str(error.value)
    assert not (tmp_path / "cache" / "sentences" / "some.txt").exists()


def test_a_checksum_of_unzipped_bytes_holds_whatever_the_gzip_header(tmp_path: Path) -> None:
    digest = hashlib.md5(CONTENT).hexdigest()
    wanted = File("mnist", "some.gz", "", digest, "md5", gunzipped=True)
    for mtime in (0, 1_000_000_000):
        (tmp_path / "some.gz").write_bytes(gzip.compress(CONTENT, mtime=mtime))
        assert obtain(wanted, tmp_path)


def test_a_checksum_of_which_only_the_first_digits_are_published_is_held_to_them(
    tmp_path: Path, served: tuple[str, list[str]]
) -> None:
    url, _ = served
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert obtain(file(url, digest[:8]), None, tmp_path / "cache").read_bytes() == CONTENT
    with pytest.raises(ChecksumError, match=f"expected {digest[1:9]}, found {digest}"):
        obtain(file(url, digest[1:9]), None, tmp_path / "cache")
