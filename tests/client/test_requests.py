"""How inputs are written into a request, as the service's own parser reads it."""

import httpx2
from maxpool_client._requests import BOUNDARY, pictures, sentences, small_pictures

from service.protocols.bodies import read_body

URL = httpx2.URL("http://maxpool.test/v1/models/m/predict")
NASTY = [b"", b"\r\n--", BOUNDARY, b"--" + BOUNDARY + b"--\r\n", bytes(range(256))]


def test_a_form_carries_any_bytes_even_its_own_boundary() -> None:
    request = pictures(URL, NASTY, {})
    assert read_body(request.content, request.headers["content-type"], pictures=True, max_inputs=9).inputs == NASTY


def test_base64_carries_any_bytes() -> None:
    request = small_pictures(URL, NASTY, {})
    assert read_body(request.content, request.headers["content-type"], pictures=True, max_inputs=9).inputs == NASTY


def test_sentences_of_any_script_are_carried() -> None:
    given = ["", "ein schöner Film", '"quoted"\n', "映画 🎬"]
    request = sentences(URL, given, {})
    assert read_body(request.content, request.headers["content-type"], pictures=False, max_inputs=9).inputs == given
