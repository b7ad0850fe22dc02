"""What we did not write, and what we did: no published weakness, every version pinned, nothing the linters know."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ADVISORIES = tomllib.loads((ROOT / "tests" / "advisories.toml").read_text())
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
PINS = dict(
    (canonicalize_name(name), pin)
    for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
)


def too_old(pins: dict[str, str]) -> dict[str, list[str]]:
    """The packages under their floor, with what is known against them."""
    return {
        name: known["advisories"]
        for name, known in ADVISORIES.items()
        if name in pins and Version(pins[name]) < Version(known["floor"])
    }


def installed() -> dict[str, str]:
    found = {}
    for name in ADVISORIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def test_no_version_has_a_published_weakness() -> None:
    assert ADVISORIES.keys() <= PINS.keys()
    assert too_old(PINS) == {}
    assert too_old(installed()) == {}


@pytest.mark.parametrize("name", ADVISORIES)
def test_a_version_that_is_too_old_is_told(name: str) -> None:
    floor = Version(ADVISORIES[name]["floor"])
    assert too_old(PINS | {name: str(floor)}) == {}
    assert too_old(PINS | {name: f"{floor}.dev0"}) == {name: ADVISORIES[name]["advisories"]}


def group(name: str) -> list[Requirement]:
    included = [group(each["include-group"]) for each in GROUPS[name] if isinstance(each, dict)]
    return sum(included, [Requirement(each) for each in GROUPS[name] if isinstance(each, str)])


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Name -> version of all that is installed for them."""
    found: dict[str, str] = {}
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = ["", *requirement.extras]
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        installed: Distribution = distribution(name)
        found[name] = installed.version
        for text in installed.requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                needed.marker = None
                waiting.append(needed)
    return found


def test_all_that_the_image_installs_is_pinned_and_installed_as_pinned() -> None:
    for name, found in closure(group("serve")).items():
        assert name in PINS, f"constraints.txt has no {name}: make lock"
        assert found == PINS[name], name


def test_the_serving_image_needs_no_more_than_these_packages() -> None:
    """Whoever adds one adds what may be wrong with it: here it is seen."""
    assert len(closure(group("serve"))) <= 39  # 12 of them for traces alone
    assert not closure(group("serve")).keys() & {"torch", "onnx", "httpx2", "jinja2", "setuptools", "pip"}


def test_our_code_has_nothing_that_bandit_knows(tmp_path: Path) -> None:
    assert findings(ROOT / "service") == []
    planted = tmp_path / "planted.py"
    planted.write_text("import pickle\n\n\ndef read(body: bytes) -> object:\n    return pickle.loads(body)\n")
    assert {found["test_id"] for found in findings(planted)} == {"B403", "B301"}


def findings(path: Path) -> list[dict[str, str]]:
    # B101: an assert in the service narrows a type that mypy can not see; none of them checks what a caller sent
    command = [
        sys.executable,
        "-m",
        "bandit",
        "--quiet",
        "--recursive",
        "--skip",
        "B101",
        "--format",
        "json",
        str(path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    report = json.loads(ran.stdout)
    assert not report["errors"]
    found: list[dict[str, str]] = report["results"]
    return found


def test_the_dockerfile_has_nothing_that_hadolint_knows(tmp_path: Path) -> None:
    assert hadolint(ROOT / "Dockerfile") == set()
    planted = tmp_path / "Dockerfile"
    planted.write_text("FROM python\nRUN cd /app && pip install fastapi\n")
    assert {"DL3006", "DL3003", "DL3013", "DL3042"} <= hadolint(planted)


def hadolint(path: Path) -> set[str]:
    command = [BIN / "hadolint", "--no-color", "--format", "json", path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return {found["code"] for found in json.loads(ran.stdout)}


def test_the_list_of_materials_has_every_package_of_the_image(tmp_path: Path) -> None:
    """As `make audit` writes it, of this environment."""
    written = tmp_path / "sbom.json"
    command = [BIN / "cyclonedx-py", "environment", "--output-reproducible", "-o", written, sys.prefix]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    bom = json.loads(written.read_text())
    assert bom["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(each["name"]): each["version"] for each in bom["components"]}
    assert closure(group("serve")).items() <= listed.items()
    assert all(each["purl"].startswith("pkg:pypi/") for each in bom["components"] if "purl" in each)


def test_the_audit_fails_where_no_source_of_advisories_answers(tmp_path: Path) -> None:
    """pip-audit would pass with a warning: the target says --strict, and this is why."""
    (line,) = re.findall(r"^\t\$\(BIN\)/(pip-audit .+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "--strict" in line.split()
    package = tmp_path / "a_package-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "HTTPS_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    options = ["--path", str(tmp_path), "--progress-spinner", "off"]
    for strict in ([], ["--strict"]):
        ran = subprocess.run(
            [BIN / "pip-audit", *strict, *options], env=nowhere, capture_output=True, check=False, timeout=100
        )
        assert ran.returncode != 0 or not strict
