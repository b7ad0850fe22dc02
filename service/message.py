"""What a request may be on the wire, beyond what httptools sees to: it takes heads of any size, any Host, and anything
around the chunks of a body."""

import re

from service.errors import HeadTooLarge, InputTooLarge, InvalidInput

Headers = list[tuple[bytes, bytes]]
MAX_BYTES = 32 * 1024  # of the target and the headers' names and values
MAX_HEADERS = 100  # and as many trailers
MAX_CHUNKS = 65_536
CHUNK_BYTES = 16  # around each chunk, for its size and the ends of lines
READ_BYTES = 512 * 1024  # that may be on their way to the application, which says itself that a body is too large
UPGRADE = re.compile(rb"(?<=\r\n)[Uu]pgrade(?=:)")
# RFC 9112, section 3.2: a name or an address, and a port; nothing that would make a path or a query of what follows.
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")


def check_head(target: bytes, headers: Headers, http_version: str, *, upgrade: bool) -> None:
    """Raises HeadTooLarge; InvalidInput where there is not exactly one valid Host (HTTP/1.0 may have none), where
    HTTP/1.0, whose proxies do not see their end, comes in chunks, or where httptools has seen an offer of another
    protocol and there is a body, which it would take for the next request."""
    check_count(headers)
    size = len(target)
    host: bytes | None = None
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            if host is not None:
                raise InvalidInput("the request has more than one Host header: expected exactly one")
            host = value
    check_size(size)
    if http_version == "1.0" and any(name == b"transfer-encoding" for name, _ in headers):
        raise InvalidInput("the request has a Transfer-Encoding, which HTTP/1.0 has not: send a Content-Length")
    if upgrade and any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers
    ):
        raise InvalidInput("the request has a body and asks for another protocol: send it without Upgrade")
    if host is None:
        if http_version != "1.0":
            raise InvalidInput("the request has no Host header: expected exactly one, as HTTP/1.1 has it")
    elif not HOST.fullmatch(host):
        raise InvalidInput(f"the Host header is {host[:64].decode('latin-1')!r}: expected a name or an address")


def without_upgrade(head: bytes) -> bytes:
    """What begins with a head, or goes on with one, as it would be without the offer to go on in another protocol,
    which a server may ignore (RFC 9110, section 7.8). Java's client makes it with each request, and httptools, which
    expects it to be taken up, would read no body."""
    end = head.find(b"\r\n\r\n")
    return UPGRADE.sub(b"ignored", head) if end < 0 else UPGRADE.sub(b"ignored", head[:end]) + head[end:]


def check_count(headers: Headers) -> None:
    """Raises HeadTooLarge."""
    if len(headers) > MAX_HEADERS:
        raise HeadTooLarge(f"the request has more than {MAX_HEADERS} headers: send fewer")


def check_size(size: int) -> None:
    """Raises HeadTooLarge."""
    if size > MAX_BYTES:
        raise HeadTooLarge(f"the head of the request has more than {MAX_BYTES:,} bytes: send shorter headers")


def check_chunks(count: int) -> None:
    """With the empty one at the end. Raises InvalidInput."""
    if count > MAX_CHUNKS + 1:
        raise InvalidInput(f"the body has more than {MAX_CHUNKS:,} chunks: send larger ones")


def check_body(size: int, *, around: int, chunks: int, max_bytes: int) -> None:
    """`around`: bytes received beside the `size` of the body so far. Raises InvalidInput, and InputTooLarge for a body
    that no part of the application has refused."""
    if around > MAX_BYTES + READ_BYTES + CHUNK_BYTES * chunks:
        raise InvalidInput("there is too much around the body's chunks: send it without extensions and trailers")
    if size > max_bytes + READ_BYTES:
        raise InputTooLarge(f"the body has more than {max_bytes:,} bytes (MAXPOOL_MAX_BODY_BYTES)")
