"""A zip or tar -> a folder of its files."""

import hashlib
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path


def unpack(archive: Path, unpacked: Path) -> Path:
    """Once for the same bytes, into a folder of their own under `unpacked`. Raises ValueError for what is no archive,
    is broken or locked, or would write outside of that folder."""
    digest = hashlib.sha256()
    with archive.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    folder = unpacked / f"{archive.name.split('.')[0]}-{digest.hexdigest()[:8]}"
    if folder.exists():
        return folder
    fresh = folder.with_name(folder.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        extract(archive, fresh)
        fresh.rename(folder)
    except tarfile.FilterError as error:
        raise ValueError(f"{archive} is not unpacked: {error}") from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise ValueError(f"{archive} is broken ({error}): fetch or pack it again") from None
    except (RuntimeError, NotImplementedError) as error:  # how zipfile says that a password is needed
        raise ValueError(f"{archive} can not be unpacked here ({error}): pack it again without a password") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def extract(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                member.filename = member.filename.replace("\\", "/")  # some of Windows' programs pack so
                if member.filename.startswith("/") or ".." in Path(member.filename).parts:
                    raise ValueError(f"{archive} is not unpacked: {member.filename!r} would land outside of its folder")
            for member in zipped.infolist():
                zipped.extract(member, folder)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            tarred.extractall(folder, filter="data")  # nothing outside the folder, no devices, no links out of it
    else:
        raise ValueError(f"{archive} is neither a zip nor a tar archive, and no table by the end of its name")
