"""models/<name>/<version>/, written whole: a running service sees a version when it is proven, or not at all."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.engine.proof import prove
from service.spec import ModelSpec


def next_version(folder: Path) -> int:
    """The one after the highest of a model's folder."""
    return 1 + max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=0)


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """A fresh folder to write a version into, which in the end goes through the service's own proof and takes the place
    of `folder`. Nothing is put there when the block raises, or the proof: ModelRefused."""
    models, name, version = folder.parent.parent, folder.parent.name, folder.name
    models.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=models) as unproven:  # a name that is no model's
        fresh = Path(unproven) / name / version
        (fresh / "golden").mkdir(parents=True)
        yield fresh
        prove(fresh, provider="cpu")
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        fresh.rename(folder)


def write_files(
    folder: Path, spec: ModelSpec, golden: dict[str, bytes], answers: list[dict[str, Any]], *, tolerance: float
) -> None:
    """model.json, the golden inputs by the names of their files, and golden.json with what they are answered."""
    write_spec(folder, spec)
    for file, content in golden.items():
        (folder / "golden" / file).write_bytes(content)
    rows = {"tolerance": tolerance, "rows": answers}
    (folder / "golden" / "golden.json").write_text(json.dumps(rows, indent=1) + "\n")


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """At once, as a running service may be reading it."""
    fresh = folder / ".model.json"
    fresh.write_text(spec.model_dump_json(indent=2, exclude_none=True) + "\n")
    fresh.replace(folder / "model.json")
