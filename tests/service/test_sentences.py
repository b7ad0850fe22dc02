import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InputTooLarge, InvalidInput
from service.sentences import check_sentence, read_sentence
from service.spec import SentenceInput

SPEC = SentenceInput(max_characters=5)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf_8_is_read_as_it_was_written_less_a_byte_order_mark(sentence: str) -> None:
    assert read_sentence(sentence.encode()) == sentence.removeprefix("\ufeff")
    assert read_sentence(sentence.encode("utf-8-sig")) == sentence


@pytest.mark.parametrize(
    ("encoded", "byte"),
    [
        pytest.param("schön".encode("latin-1"), 3, id="Latin-1"),
        pytest.param("so".encode("utf-16"), 0, id="UTF-16 with its mark"),
        pytest.param(b"so \xc0\xaf", 3, id="longer than needed"),
        pytest.param(b"so \xed\xa0\x80", 3, id="a surrogate"),
        pytest.param("so 😀".encode()[:-1], 3, id="cut off"),
        pytest.param(b"\xf4\x90\x80\x80", 0, id="beyond Unicode"),
    ],
)
def test_what_is_not_utf_8_is_refused_by_the_byte(encoded: bytes, byte: int) -> None:
    with pytest.raises(InvalidInput, match=rf"byte {byte}\)"):
        read_sentence(encoded)


def test_the_length_limit_is_exact_and_counts_characters() -> None:
    assert check_sentence("😀" * 5, SPEC) == "😀" * 5
    with pytest.raises(InputTooLarge, match="6 characters"):
        check_sentence("a" * 6, SPEC)
    with pytest.raises(InputTooLarge):  # blanks count before they are looked through
        check_sentence(" " * 6, SPEC)


@pytest.mark.parametrize("sentence", ["", " ", "\n\t", "\u2003"])
def test_nothing_but_blanks_is_no_sentence(sentence: str) -> None:
    with pytest.raises(InvalidInput, match="is empty"):
        check_sentence(sentence, SPEC)


def test_a_lone_surrogate_is_refused_by_its_place() -> None:
    for sentence in ("so \ud800", "so \udc00"):
        with pytest.raises(InvalidInput, match=r"character 3\)"):
            check_sentence(sentence, SPEC)


@settings(max_examples=200)
@given(st.text(max_size=8))
def test_what_is_let_through_can_always_be_encoded(sentence: str) -> None:
    try:
        check_sentence(sentence, SPEC).encode()
    except InvalidInput:
        assert len(sentence) > 5 or not sentence.strip() or any("\ud800" <= each <= "\udfff" for each in sentence)


def test_a_null_is_a_character_like_any_other(tiny_url: str) -> None:
    """The tiny graph counts words: what is cut at the null has two of the four."""
    sentence = "one two\0 three four"
    road = f"{tiny_url}/v1/models/length/predict"
    for answer in (
        httpx2.post(road, json={"inputs": sentence}),
        httpx2.post(road, content=sentence.encode(), headers={"content-type": "text/plain"}),
    ):
        assert answer.json()["predictions"][0]["label"] == "long"
        assert answer.json()["predictions"][0]["input"] == {"characters": len(sentence)}
