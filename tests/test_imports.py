"""Folders are dependency boundaries: who may import whom, for every file, and what a running service has loaded."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"service", "nets", "scripts", "maxpool_client", "benchmarks", "tests"}
# folder -> what of ours, and which heavy packages, it may import
MAY_IMPORT = {
    "service": {"service"},
    "nets": {"nets", "torch"},
    "scripts": {
        "scripts",
        "nets",
        "torch",
        "onnx",
        "service.spec",
        "service.images",
        "service.sentences",
        "service.cpus",
        "service.errors",
        "service.engine.header",
        "service.engine.proof",
        "service.engine.session",
    },
    "client/src": {"maxpool_client"},
    # the ceilings take the service apart, and nets that are too large to commit are made by our own scripts
    "benchmarks": {"benchmarks", "maxpool_client", "service", "scripts", "torch", "onnx"},
}
# inside service, downwards only
LEVELS = (
    ("service.__main__",),
    ("service.server",),
    ("service.app", "service.workers", "service.connection", "service.grpc_server"),
    ("service.refusal",),
    ("service.protocols",),
    ("service.engine",),
    ("service.peers",),
    ("service.metrics", "service.log", "service.settings", "service.images", "service.sentences", "service.cpus"),
    ("service.spec", "service.message"),
    ("service.errors",),
)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(module: str, may: set[str]) -> bool:
    if module.split(".")[0] not in OURS | {"torch", "onnx"}:
        return True
    return any(module == each or module.startswith(f"{each}.") or each.startswith(f"{module}.") for each in may)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_each_folder_imports_only_what_it_may(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for module in imports(path):
            assert allowed(module, MAY_IMPORT[folder]), f"{path.relative_to(ROOT)} imports {module}"


def level(module: str) -> int | None:
    return next((n for n, names in enumerate(LEVELS) for name in names if f"{module}.".startswith(f"{name}.")), None)


def test_the_service_imports_downwards_only() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        own = level(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module in imports(path):
            target = level(module)
            if own is not None and target is not None:
                assert target >= own, f"{path.relative_to(ROOT)} imports {module}, which is above it"


def test_a_running_service_has_no_torch_and_no_onnx() -> None:
    code = "import service.app, sys; print(*sorted({'torch', 'onnx', 'nets', 'scripts'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == ""


def test_reading_pictures_needs_no_server() -> None:
    code = "import service.images, sys; print(*sorted({'fastapi', 'onnxruntime'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == ""
