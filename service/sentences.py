"""Bytes or text -> a sentence that the graph can take. Lower-casing, tokenising and look-up are in the graph."""

from service.errors import InputTooLarge, InvalidInput
from service.spec import SentenceInput


def read_sentence(encoded: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises InvalidInput saying at which byte it is not."""
    try:
        return encoded.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the sentence is not UTF-8 (byte {error.start}): encode it as UTF-8") from None


def check_sentence(sentence: str, spec: SentenceInput) -> str:
    """Raises InvalidInput for an empty sentence or lone surrogates, InputTooLarge beyond spec.max_characters."""
    if len(sentence) > spec.max_characters:
        raise InputTooLarge(
            f"the sentence has {len(sentence):,} characters: this model takes at most {spec.max_characters:,}"
        )
    if not sentence.strip():
        raise InvalidInput("the sentence is empty: expected some text")
    if not sentence.isascii():
        try:
            sentence.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"the sentence has a lone surrogate (character {error.start}): expected valid Unicode text"
            ) from None
    return sentence
