"""The README is executable: its commands and its code give the answers it prints."""

import contextlib
import importlib
import io
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n\$ (curl .+?)\n(\{.+?)\n```", README)
SERVER = "http://127.0.0.1:8000"


def close(found: Any, expected: Any) -> bool:
    """Equal, numbers within 0.001: another CPU rounds otherwise."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    return found == (pytest.approx(expected, abs=1e-3) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(("command", "answer"), CONSOLE)
def test_a_curl_line_gives_the_printed_answer(service_url: str, command: str, answer: str) -> None:
    words = shlex.split(command.replace(SERVER, service_url))
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert close(json.loads(printed), json.loads(answer)), printed


def test_the_readme_has_both_curl_lines() -> None:
    assert len(CONSOLE) == 2


def test_the_python_block_prints_what_it_says(service_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ((code, printed),) = re.findall(r"```python\n(.+?)```\nprints\n```text\n(.+?)```", README, re.DOTALL)
    monkeypatch.chdir(ROOT)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code.replace(SERVER, service_url), {})
    assert out.getvalue() == printed


def test_the_training_commands_are_understood() -> None:
    blocks = re.findall(r"```text\n(python -m scripts\..+?)```", README, re.DOTALL)
    modules = set()
    for line in "".join(blocks).splitlines():
        _, _, module, *arguments = shlex.split(line)
        assert importlib.import_module(module).parse_args(arguments)
        modules.add(module)
    assert len(modules) == 5


def test_the_tree_names_only_what_exists() -> None:
    (tree,) = re.findall(r"## The house\n```text\n(.+?)```", README, re.DOTALL)
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = ROOT / name.strip("/")
            assert folder.is_dir(), name
        else:
            for mentioned in re.findall(r"\b([\w/]+(?:\.py|/))", line):
                assert (folder / mentioned).exists() or list(folder.rglob(mentioned)), mentioned


def test_the_changelog_s_top_version_is_the_service_s() -> None:
    from service import __version__

    (version, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version == __version__
