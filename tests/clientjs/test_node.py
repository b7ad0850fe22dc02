"""The tests of client-js/test, by Node's own runner, against real servers."""

import re
import sys
from pathlib import Path

from tests.conftest import ROOT

from .conftest import run


def test_the_client_in_node(package: Path, service_url: str, tiny_models: Path) -> None:
    tested = run(
        package,
        *("node", "--test", "--test-reporter=tap"),
        MAXPOOL_TEST_URL=service_url,  # of the committed models
        MAXPOOL_TEST_ROOT=str(ROOT),
        MAXPOOL_TEST_PYTHON=sys.executable,  # starts servers of
        MAXPOOL_TEST_MODELS=str(tiny_models),
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    passed = re.search(r"^# pass (\d+)$", tested.stdout, re.MULTILINE)
    assert passed, tested.stdout
    assert int(passed[1]) > len(list((package / "test").glob("*.test.mjs"))), tested.stdout
