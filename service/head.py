"""What the head of a request may be, beyond what httptools sees to: it takes heads of any size and any Host."""

import re

from service.errors import HeadTooLarge, InvalidInput

Headers = list[tuple[bytes, bytes]]
MAX_BYTES = 32 * 1024  # of the target and the headers' names and values
MAX_HEADERS = 100
# RFC 9112, section 3.2: a name or an address, and a port; nothing that would make a path or a query of what follows.
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")


def check_head(target: bytes, headers: Headers, http_version: str) -> None:
    """Raises HeadTooLarge; InvalidInput where there is not exactly one valid Host (HTTP/1.0 may have none)."""
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
    if host is None:
        if http_version != "1.0":
            raise InvalidInput("the request has no Host header: expected exactly one, as HTTP/1.1 has it")
    elif not HOST.fullmatch(host):
        raise InvalidInput(f"the Host header is {host[:64].decode('latin-1')!r}: expected a name or an address")


def check_count(headers: Headers) -> None:
    """Raises HeadTooLarge."""
    if len(headers) > MAX_HEADERS:
        raise HeadTooLarge(f"the request has more than {MAX_HEADERS} headers: send fewer")


def check_size(size: int) -> None:
    """Raises HeadTooLarge."""
    if size > MAX_BYTES:
        raise HeadTooLarge(f"the head of the request has more than {MAX_BYTES:,} bytes: send shorter headers")
