"""The README's TypeScript is compiled and run as it stands, with the package installed as the README has it; its page
is in test_browser.py."""

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import SOURCE, run

README = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"```ts\n(.*?)```", README, re.DOTALL)
INSTALL = re.search(r"```console\n(.*?)```", README, re.DOTALL)
STRICT = ("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--module", "nodenext")
TARGET = ("--target", "es2022", "--lib", "es2022,dom,dom.iterable,dom.asynciterable", "--types", "")
DIGITS = ROOT / "models" / "lenet5-mnist" / "1" / "golden"


@pytest.fixture(scope="module")
def installed(package: Path) -> Path:
    """A folder beside client-js/ in which the README's commands were run, with what its examples name."""
    folder = package.parent
    assert INSTALL
    npm = run(folder, "bash", "-ec", INSTALL[1], npm_config_prefer_offline="true", npm_config_audit="false")
    assert npm.returncode == 0, npm.stdout + npm.stderr
    shutil.copy(DIGITS / "digit-7.png", folder / "seven.png")
    (folder / "digits").mkdir()
    for digit in (1, 2):
        shutil.copy(DIGITS / f"digit-{digit}.png", folder / "digits")
    (folder / "reviews.txt").write_text("An utter joy.\nA bore.")
    # Node's own types would be a package more; what is checked is ours.
    (folder / "node.d.ts").write_text('declare module "node:*";\n')
    return folder


@pytest.fixture(scope="module")
def compiled(installed: Path, service_url: str) -> Path:
    for place, block in enumerate(BLOCKS):
        (installed / f"block{place}.mts").write_text(block.replace("http://127.0.0.1:8000", service_url))
    shutil.copy(SOURCE / "test" / "types.mts", installed)
    sources = [f"block{place}.mts" for place in range(len(BLOCKS))]
    tsc = installed / "client-js" / "node_modules" / ".bin" / "tsc"
    built = run(installed, str(tsc), *STRICT, *TARGET, "node.d.ts", "types.mts", *sources)
    assert built.returncode == 0, built.stdout + built.stderr
    return installed


@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_the_code_compiles_and_runs(place: int, compiled: Path) -> None:
    ran = run(compiled, "node", f"block{place}.mjs")
    assert ran.returncode == 0, ran.stderr


def test_the_first_example_prints_the_label_of_its_picture(compiled: Path) -> None:
    assert run(compiled, "node", "block0.mjs").stdout.startswith("7 ")


def test_the_package_has_the_build_the_readme_and_nothing_else(installed: Path) -> None:
    folder = installed / "node_modules" / "maxpool-client"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    modules = {path.stem for path in (SOURCE / "src").glob("*.ts")}
    built = {f"dist/{module}{suffix}" for module in modules for suffix in (".js", ".d.ts")}
    assert files == built | {"package.json", "README.md"}


def test_every_error_is_in_the_table(installed: Path) -> None:
    listing = "import * as m from 'maxpool-client'; console.log(Object.keys(m).join())"
    exported = set(run(installed, "node", "--input-type=module", "-e", listing).stdout.strip().split(","))
    raised = set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", README, re.MULTILINE))
    assert exported == raised | {"Client", "MaxpoolError"}


def test_no_registry_is_named() -> None:
    assert '"resolved"' not in (SOURCE / "package-lock.json").read_text()
