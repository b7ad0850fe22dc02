"""A port that this service is to have alone, before any of its processes listens there."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import SettingsError


@contextmanager
def reserved(host: str, port: int) -> Iterator[None]:
    """For this process and its workers alone, who may share it; nothing for port 0. Raises SettingsError."""
    if not port:
        yield
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as alone, socket.socket(family) as shared:
        # Sharing alone would let a second service of the same user join the first. What is left of connections that are
        # over is no reason to refuse.
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            alone.bind((host, port))
            alone.close()
            shared.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"MAXPOOL_GRPC_PORT is {port}: {error.strerror}; set another port, or 0 for no gRPC"
            ) from None
        yield
