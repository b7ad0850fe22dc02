"""Content-Encoding, both ways: gzip, and deflate, which HTTP means as a zlib stream (RFC 9110, 8.4.1)."""

import zlib

from service.errors import InputTooLarge, InvalidInput, UnsupportedInput

WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits
LEVEL = 1  # tensors hardly shrink further, and it is 5 times faster than the default


def is_plain(content_encoding: str) -> bool:
    return content_encoding.strip().lower() in ("", "identity")


def inflate(body: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """Never makes more than `max_bytes`. Takes long: not for the event loop.

    Raises UnsupportedInput for an encoding other than gzip and deflate, InvalidInput where the body is not that,
    InputTooLarge.
    """
    encoding = content_encoding.strip().lower()
    if encoding not in WINDOW:
        raise UnsupportedInput(f"content encoding {encoding[:32]!r} is not taken here: send gzip, deflate or none")
    stream = zlib.decompressobj(WINDOW[encoding])
    try:
        inflated = stream.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(
            f"the body is not {encoding} as Content-Encoding says ({error}): leave the header out"
        ) from None
    if len(inflated) > max_bytes:
        raise InputTooLarge(f"the body has more than {max_bytes:,} bytes when inflated (MAXPOOL_MAX_BODY_BYTES)")
    if not stream.eof:
        raise InvalidInput(f"the {encoding} body is cut off: expected the end of its stream")
    if stream.unused_data:  # a second stream would be legal; a million empty ones would be an attack
        raise InvalidInput(
            f"the {encoding} body has {len(stream.unused_data)} bytes after its end: expected one stream"
        )
    return inflated


def choose_encoding(accept_encoding: str) -> str | None:
    """What to encode an answer in: gzip before deflate, None where the client takes neither."""
    accepted = set()
    for each in accept_encoding.lower().split(","):
        name, _, weight = each.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip())
    return next((encoding for encoding in ("gzip", "deflate") if encoding in accepted), None)


def deflate(body: bytes, encoding: str) -> bytes:
    stream = zlib.compressobj(LEVEL, wbits=WINDOW[encoding])
    return stream.compress(body) + stream.flush()
