"""Whatever a body is, it is read or refused in words: nothing else comes out of read_request."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidInput, MaxpoolError, NotOffered
from service.protocols.oip_request import InferRequest, read_json_length, read_request
from service.spec import ImageInput, SentenceInput
from tests.service.protocols.infer import serialized

IMAGE = ImageInput(height=2, width=2, channels=3, fit="stretch", background="black")
SENTENCE = SentenceInput(max_characters=100)
LEAVES = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner))
PARAMETER_NAMES = st.sampled_from(
    ["binary_data_size", "binary_data", "binary_data_output", "classification", "timeout"]
)
PARAMETERS = st.dictionaries(PARAMETER_NAMES, st.integers(-1, 30) | LEAVES, max_size=3)
SHAPES = st.sampled_from([[1, 2, 2, 3], [2, 2, 2, 3], [1], [2], [2, 1], [0], [2**40]])
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "sentence"]),
        "shape": SHAPES | ANYTHING,
        "datatype": st.sampled_from(["UINT8", "BYTES", "FP32"]),
    },
    optional={"data": st.lists(st.integers(0, 255), min_size=12, max_size=12) | ANYTHING, "parameters": PARAMETERS},
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, min_size=1, max_size=2) | ANYTHING},
    optional={
        "id": st.text() | ANYTHING,
        "parameters": PARAMETERS | ANYTHING,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.just("scores")}, optional={"parameters": PARAMETERS})),
    },
)


def read(body: bytes, header: str, spec: ImageInput | SentenceInput) -> InferRequest | MaxpoolError:
    try:
        return read_request(body, read_json_length(header, len(body)), spec, max_inputs=8)
    except (InvalidInput, NotOffered) as error:
        return error


@settings(max_examples=400, deadline=None)
@given(REQUESTS | ANYTHING, st.binary(max_size=40), st.integers(-2, 2), st.sampled_from([IMAGE, SENTENCE]))
def test_any_document_is_read_or_refused(
    document: Any, blob: bytes, off: int, spec: ImageInput | SentenceInput
) -> None:
    head = json.dumps(document).encode()
    read(head, "", spec)
    answer = read(head + blob, str(len(head) + off), spec)
    if isinstance(answer, InferRequest):
        assert 1 <= len(answer.inputs) <= 8


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.text(max_size=8), st.sampled_from([IMAGE, SENTENCE]))
def test_any_bytes_are_read_or_refused(body: bytes, header: str, spec: ImageInput | SentenceInput) -> None:
    read(body, header, spec)
    read(body, "0", spec)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.randoms())
def test_pixels_nested_flat_and_binary_are_the_same(rows: int, random: Any) -> None:
    pixels = np.array([random.randrange(256) for _ in range(rows * 12)], np.uint8).reshape(rows, 2, 2, 3)
    tensor: dict[str, Any] = {"name": "image", "shape": list(pixels.shape), "datatype": "UINT8"}
    for data in (pixels.tolist(), pixels.ravel().tolist()):
        answer = read(json.dumps({"inputs": [{**tensor, "data": data}]}).encode(), "", IMAGE)
        assert isinstance(answer, InferRequest)
        np.testing.assert_array_equal(np.stack(answer.inputs), pixels)  # type: ignore[arg-type]
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": pixels.size}}]}).encode()
    for answer in (read(head + pixels.tobytes(), str(len(head)), IMAGE), read(pixels.tobytes(), "0", IMAGE)):
        assert isinstance(answer, InferRequest)
        np.testing.assert_array_equal(np.stack(answer.inputs), pixels)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_sentences_as_json_and_binary_are_the_same(sentences: list[str]) -> None:
    tensor: dict[str, Any] = {"name": "sentence", "shape": [len(sentences)], "datatype": "BYTES"}
    blob = serialized(*(each.encode() for each in sentences))
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(blob)}}]}).encode()
    as_bytes = read(head + blob, str(len(head)), SENTENCE)
    as_json = read(json.dumps({"inputs": [{**tensor, "data": sentences}]}).encode(), "", SENTENCE)
    assert isinstance(as_bytes, InferRequest)
    assert isinstance(as_json, InferRequest)
    assert as_json.inputs == sentences
    assert as_bytes.inputs == [each.removeprefix("\ufeff") for each in sentences]
