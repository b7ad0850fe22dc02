from pathlib import Path

import pytest

from tests.conftest import write_length
from tests.service.slow import write_slow


@pytest.fixture(scope="session")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slow model and a fast one."""
    folder = tmp_path_factory.mktemp("models")
    write_slow(folder / "slow" / "1", products=8)
    write_length(folder / "length" / "1")
    return folder
