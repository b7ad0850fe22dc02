"""Folders are dependency boundaries: who may import whom, for every file, and what a running service has loaded."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"service", "nets", "scripts", "maxpool_client", "benchmarks", "deploy", "tests"}
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
        "service.reference",
        "service.drift",
        "service.images",
        "service.sentences",
        "service.cpus",
        "service.errors",
        "service.engine.cost",
        "service.engine.header",
        "service.engine.proof",
        "service.engine.rows",
        "service.engine.session",
        "service.engine.vocabulary",
    },
    "client/src": {"maxpool_client"},
    # the ceilings take the service apart, and nets that are too large to commit are made by our own scripts
    "benchmarks": {"benchmarks", "maxpool_client", "service", "scripts", "deploy", "torch", "onnx"},
    "deploy": {"deploy", "service"},
}
# inside service, downwards only
LEVELS = (
    ("service.__main__",),
    ("service.server",),
    ("service.app", "service.workers", "service.connection", "service.grpc_server"),
    ("service.refusal",),
    ("service.protocols",),
    ("service.inspect",),
    ("service.engine",),
    ("service.peers",),
    ("service.traces",),
    ("service.metrics", "service.log", "service.settings", "service.images", "service.sentences", "service.cpus"),
    ("service.driftmetrics",),
    ("service.drift",),
    ("service.spec", "service.message", "service.room"),
    ("service.part", "service.reference"),
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


# What makes code of data, or would load some beside ONNX Runtime's own operators.
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "subprocess"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {"np.load", "numpy.load", "np.fromregex", "os.system", "options.register_custom_ops_library"}


def unsafe(code: str) -> set[str]:
    """What of the above a program does."""
    tree = ast.parse(code)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    methods = {call for call in calls if call in UNSAFE_METHODS or call.endswith(".register_custom_ops_library")}
    pickled = {"allow_pickle"} if "allow_pickle" in code else set()
    return modules & UNSAFE_MODULES | calls & UNSAFE_CALLS | methods | pickled


def test_the_service_makes_no_code_of_data() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        assert not unsafe(path.read_text()), path.relative_to(ROOT)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from marshal import loads",
        "eval('1')",
        "np.load(file)",
        "np.fromfile(file, allow_pickle=True)",
        "options.register_custom_ops_library('ops.so')",
    ],
)
def test_what_makes_code_of_data_is_seen(code: str) -> None:
    assert unsafe(code)


# The one file of a secret and the one of our own that are read at the start; no name that a request has gets there.
READ_FILES = {"admin_key.py", "api_keys.py", "oip_messages.py"}


def reaches_for_files(code: str) -> bool:
    tree = ast.parse(code)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    calls = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return bool(imported & {"os", "os.path", "pathlib", "io", "shutil", "tempfile", "glob"} or calls & {"open"})


def test_no_name_that_a_request_has_is_joined_to_a_path() -> None:
    """What reads requests knows no files: models are looked up by name among those that were found."""
    folder = ROOT / "service" / "protocols"
    assert {path.name for path in folder.glob("*.py") if reaches_for_files(path.read_text())} == READ_FILES
    assert reaches_for_files("open(f'models/{name}')")
    assert reaches_for_files("from pathlib import Path\nPath(name)")
