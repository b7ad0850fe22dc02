"""A file with a known checksum: found in a folder of the user's, or fetched from its public URL."""

import gzip
import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

CHUNK = 1 << 20


class ChecksumError(Exception):
    pass


@dataclass(frozen=True)
class File:
    folder: str  # under the data folder
    name: str
    url: str
    digest: str  # hexadecimal; the first digits where no more are published
    algorithm: Literal["md5", "sha256"]
    gunzipped: bool = False  # the digest is of the unzipped bytes: distributors write other gzip headers
    partial: bool = False  # a copy with other content is taken, and said: some spread a part of the data set


def obtain(file: File, data_dir: Path | None, cache: Path = Path("data")) -> Path:
    """The file in `data_dir`, or downloaded once into `cache`. Raises ChecksumError, FileNotFoundError."""
    if data_dir is not None:
        for path in (data_dir / file.folder / file.name, data_dir / file.name):
            if path.exists():
                if not file.partial:
                    check(path, file)
                return path
        raise FileNotFoundError(f"{file.name} is neither in {data_dir / file.folder} nor in {data_dir}")
    path = cache / file.folder / file.name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fetched = path.with_name(path.name + ".part")
        fetch(file.url, fetched)
        check(fetched, file)
        os.replace(fetched, path)
    else:
        check(path, file)
    return path


def is_whole(path: Path, file: File) -> bool:
    return digest_of(path, file).startswith(file.digest)


def check(path: Path, file: File) -> None:
    found = digest_of(path, file)
    if not found.startswith(file.digest):
        raise ChecksumError(
            f"{path} is not the file it should be: {file.algorithm} expected {file.digest}, found {found}; delete it "
            "and fetch it again"
        )


def digest_of(path: Path, file: File) -> str:
    digest = hashlib.new(file.algorithm)
    with gzip.open(path) if file.gunzipped else path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer, path.open("wb") as out:
        total = int(answer.headers.get("Content-Length", 0)) or None
        with tqdm(total=total, unit="B", unit_scale=True, desc=path.name.removesuffix(".part")) as bar:
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
