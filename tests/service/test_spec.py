import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from service import spec

PARTS = [part for part in vars(spec).values() if isinstance(part, type) and issubclass(part, spec.Part)]


@pytest.mark.parametrize("part", [part for part in PARTS if part is not spec.Part])
def test_every_key_is_documented(part: type[BaseModel]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "spec.md").read_text()
    documented = set(re.findall(r"^- `(\w+)`:", page, re.MULTILINE))
    assert part.model_fields.keys() <= documented
