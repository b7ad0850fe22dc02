"""The same rows by every way in and every way out: the same bits."""

from typing import Any

import httpx2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.protocols.infer import COLOUR, LENGTH, binary, image, scores, sentence, serialized

ONCE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
AS_BYTES: dict[str, Any] = {"parameters": {"binary_data_output": True}}
SENTENCES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)


@ONCE
@given(rows=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_pixels_nested_flat_and_as_bytes_have_the_same_scores(http: httpx2.Client, rows: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, 8, 8, 3), np.uint8)
    tensor, blob = image(pixels), pixels.tobytes()
    nested = {**tensor, "data": pixels.tolist()}
    answers = [
        *(http.post(COLOUR, json={"inputs": [each], **out}) for each in (tensor, nested) for out in ({}, AS_BYTES)),
        *(post(http, COLOUR, *binary(tensor, blob, **out)) for out in ({}, AS_BYTES)),
        post(http, COLOUR, blob, {"inference-header-content-length": "0"}),
    ]
    same_bits(answers, rows)


@ONCE
@given(sentences=st.lists(SENTENCES, min_size=1, max_size=8))
def test_sentences_as_text_and_as_bytes_have_the_same_scores(http: httpx2.Client, sentences: list[str]) -> None:
    sentences = [each.removeprefix("\ufeff") or "x" for each in sentences]
    tensor, blob = sentence(*sentences), serialized(*(each.encode() for each in sentences))
    column = {**tensor, "shape": [len(sentences), 1]}
    answers = [
        *(http.post(LENGTH, json={"inputs": [each], **out}) for each in (tensor, column) for out in ({}, AS_BYTES)),
        *(post(http, LENGTH, *binary(tensor, blob, **out)) for out in ({}, AS_BYTES)),
    ]
    same_bits(answers, len(sentences))


def post(http: httpx2.Client, path: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
    return http.post(path, content=body, headers=headers)


def same_bits(answers: list[httpx2.Response], rows: int) -> None:
    first, *others = (scores(answer) for answer in answers)
    assert len(first) == rows
    for other in others:
        assert other.tobytes() == first.tobytes()
