import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.archives import unpack


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tarred:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tarred.addfile(member, io.BytesIO(content))
    return path


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("write", "name"), [(write_zip, "a.zip"), (write_tar, "a.tar"), (write_tar, "a.tar.gz")])
def test_an_archive_is_unpacked_once_into_a_folder_of_its_own(tmp_path: Path, write: object, name: str) -> None:
    assert callable(write)
    archive = write(tmp_path / name, {"cats/1.png": b"1", "dogs/2.png": b"2"})
    folder = unpack(archive, tmp_path / "data")
    assert files_in(folder) == {"cats/1.png", "dogs/2.png"}
    (folder / "cats" / "1.png").write_bytes(b"touched")
    assert (unpack(archive, tmp_path / "data") / "cats" / "1.png").read_bytes() == b"touched"
    write(tmp_path / name, {"cats/1.png": b"another"})
    assert unpack(archive, tmp_path / "data") != folder


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png"])
def test_a_zip_that_would_write_elsewhere_is_refused_whole(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"not unpacked.*outside"):
        unpack(write_zip(tmp_path / "a.zip", {"good.png": b"1", name: b"2"}), tmp_path / "in" / "data")
    assert files_in(tmp_path) == {"a.zip"}


def test_a_tar_that_would_write_elsewhere_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not unpacked.*evil"):
        unpack(write_tar(tmp_path / "a.tar", {"good.png": b"1", "../evil.png": b"2"}), tmp_path / "in" / "data")
    assert files_in(tmp_path) == {"a.tar"}


def test_a_link_that_leads_out_of_a_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tarred:
        link = tarfile.TarInfo("cats")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tarred.addfile(link)
    with pytest.raises(ValueError, match="not unpacked"):
        unpack(tmp_path / "a.tar", tmp_path / "data")


def test_a_zip_of_windows_paths_has_the_folders_that_were_meant(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in ("photos\\cats\\1.png", "photos\\dogs\\2.png"):
            member = zipfile.ZipInfo("x")
            member.filename = name
            zipped.writestr(member, b"1")
    assert files_in(unpack(archive, tmp_path / "data")) == {"photos/cats/1.png", "photos/dogs/2.png"}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_broken_archive_is_refused_in_a_sentence_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    content = bytes(range(256)) * 500
    archive = (write_zip if name.endswith("zip") else write_tar)(tmp_path / name, {"cats/1.png": content})
    encoded = bytearray(archive.read_bytes())
    if name.endswith("zip"):
        encoded[1000:1100] = bytes(100)  # the checksum no longer fits
    else:
        del encoded[len(encoded) // 2 :]
    archive.write_bytes(encoded)
    with pytest.raises(ValueError, match=r"is broken.*again"):
        unpack(archive, tmp_path / "data")
    assert files_in(tmp_path) == {name}


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "photos.rar").write_bytes(b"Rar!")
    with pytest.raises(ValueError, match=r"photos.rar is neither a zip nor a tar"):
        unpack(tmp_path / "photos.rar", tmp_path / "data")
