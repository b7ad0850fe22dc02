from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.service.protocols.infer import COLOUR, RED_BLUE, image, scores


@pytest.fixture(scope="module")
def http(tiny_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=tiny_url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def expected(http: httpx2.Client) -> Any:
    return scores(http.post(COLOUR, json={"inputs": [image(RED_BLUE)]}))
