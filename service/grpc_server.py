"""The gRPC server of one process, on its event loop. Imported when the process answers HTTP already, and only then: no
object of this library may exist before a fork."""

import asyncio
import time
from pathlib import Path

import grpc

from service.engine.registry import Registry
from service.errors import SettingsError
from service.metrics import Metrics
from service.protocols.api_keys import ApiKeys
from service.protocols.oip_grpc import InferenceService
from service.protocols.oip_repository import Control
from service.requestlog import RequestLog
from service.settings import Settings

# For calls that keep coming to be told why. The library's own stop cancels what has come and was not taken up yet, and
# clients do not try again what was cancelled.
REFUSING_SECONDS = 0.1
# The library's threads hand a call to the loop when they come to it: what came before a stop may still be on its way.
# It is waited for until so many seconds bring no more, and so many times, since clients may send without end.
TAKING_SECONDS, LOOKS = 0.1, 10


class GrpcServer:
    def __init__(
        self,
        registry: Registry,
        control: Control,
        keys: ApiKeys | None,
        settings: Settings,
        metrics: Metrics,
        requests: RequestLog,
    ) -> None:
        self._service = InferenceService(registry, control, keys, settings, metrics, requests)
        self._settings = settings

    async def start(self) -> None:
        """Beside the other workers' on the same port: the system deals the connections out. Raises SettingsError."""
        options = (("grpc.max_receive_message_length", self._settings.max_body_bytes), ("grpc.so_reuseport", 1))
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._service.handlers(),))
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        try:
            self._listen(f"{host}:{self._settings.grpc_port}")
        except RuntimeError as error:
            raise SettingsError(f"MAXPOOL_GRPC_PORT is {self._settings.grpc_port}: {error}") from None
        await self._server.start()

    def _listen(self, address: str) -> None:
        certificate, key = self._settings.tls_certificate, self._settings.tls_key
        if not certificate:
            self._server.add_insecure_port(address)
        else:
            pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
            self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))

    async def stop(self) -> None:
        """No new calls; those under way are answered within the grace."""
        end = time.monotonic() + self._settings.grace_seconds
        for _ in range(LOOKS):
            taken_up = self._service.taken_up
            await asyncio.sleep(TAKING_SECONDS)
            if self._service.taken_up == taken_up:
                break
        self._service.stop()
        await asyncio.sleep(REFUSING_SECONDS)
        await self._server.stop(max(0, end - time.monotonic()))
