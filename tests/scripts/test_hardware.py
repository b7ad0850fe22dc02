from pathlib import Path

import pytest

from scripts.hardware import memory_size


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_has_the_memory_it_is_allowed(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("50000000\n")
    assert memory_size(tmp_path) == 50_000_000


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n", None])
def test_without_a_limit_it_is_the_machine_s(tmp_path: Path, limit: str | None) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert memory_size(tmp_path) == memory_size(tmp_path / "nowhere")
    assert (memory_size(tmp_path) or 0) > 1 << 28
