"""The completion scripts, in the real shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import maxpool_client
import pytest
from maxpool_client._command import main
from maxpool_client._command.completion import SHELLS

from .conftest import StandIn


def completed(script: str, words: list[str], environ: dict[str, str]) -> list[str]:
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _maxpool; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{ask}"], env=os.environ | environ, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["cl"], ["classify"]),
        (["b"], ["bench"]),
        (["classify", "--form"], ["--format"]),
        (["classify", "--format", ""], ["table", "jsonl", "csv", "parquet"]),
        (["models", "--format", "j"], ["jsonl"]),
        (["completion", "z"], ["zsh"]),
        (["health", "--u"], ["--url"]),
    ],
    ids=str,
)
def test_bash_offers_commands_options_and_values(script: str, words: list[str], offered: list[str]) -> None:
    assert completed(script, ["maxpool", *words], {}) == offered


def test_bash_offers_the_models_that_the_service_has(script: str, stand_in: StandIn, tmp_path: Path) -> None:
    command = tmp_path / "maxpool"
    command.write_text(f"#!{sys.executable}\nfrom maxpool_client._command import main\nraise SystemExit(main())\n")
    command.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(maxpool_client.__path__[0]).parent),
        "MAXPOOL_URL": stand_in.url,
    }
    assert completed(script, ["maxpool", "classify", "le"], environ) == ["lenet5-mnist"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_accepts_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    written = capsys.readouterr().out
    assert "classify" in written
    if found := shutil.which(shell):
        done = subprocess.run([found, "-n"], input=written, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
