"""What a request may be on the wire."""

import pytest

from service.message import without_upgrade

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\n%supgrade: h2c\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"http2-settings: AAEAAEAAAAIAAAAB\r\n"])
def test_an_offer_of_another_protocol_is_not_seen_in_a_head(before: bytes) -> None:
    assert without_upgrade(HEAD % before) == (HEAD % before).replace(b"upgrade: h2c", b"ignored: h2c")


def test_a_body_and_what_only_looks_like_an_offer_stay_as_they_are() -> None:
    body = b"\r\nupgrade: h2c\r\n\r\nupgrade: h2c"
    assert without_upgrade(HEAD % b"" + body).endswith(b"\r\n\r\n" + body)
    other = b"GET /?upgrade: HTTP/1.1\r\nx-upgrade: 1\r\nx: upgrade: 2\r\n\r\n"
    assert without_upgrade(other) == other


def test_the_rest_of_a_head_is_one_too() -> None:
    assert without_upgrade(b"host: x\r\nUpgrade: h2c\r\n") == b"host: x\r\nignored: h2c\r\n"
