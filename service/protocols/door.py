"""Where there are keys, what every request goes through: nothing is asked for without one but what is open to all."""

import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import ExitStack
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import MaxpoolError
from service.protocols.api_keys import ApiKeys
from service.protocols.replies import header

# Health, for probes that have no keys.
OPEN = ("/", "/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready")
# What asks for the administrator's key itself.
ADMINISTRATION = re.compile(r"/v2/repository/models/[^/]+/(load|unload)|/v1/models/[^/]+/rollout/(promote|rollback)")
Refuse = Callable[[Scope, Send, MaxpoolError], Awaitable[None]]


class Door:
    """An ASGI object around another one."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, refuse: Refuse, *, also_open: Collection[str]) -> None:
        self._app = app
        self._keys = keys
        self._refuse = refuse
        self._open = {*OPEN, *also_open}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_open(scope["path"]):
            return await self._app(scope, receive, send)
        with ExitStack() as admitted:
            try:
                # For the road, which knows the model.
                scope["key"] = admitted.enter_context(self._keys.admit(header(scope, b"authorization")))
            except MaxpoolError as error:
                return await self._refuse(scope, send, error)
            await self._app(scope, receive, send)

    def describe(self, schema: dict[str, Any]) -> None:
        """Adds the key to the OpenAPI document."""
        schemes = schema.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["ApiKey"] = {"type": "http", "scheme": "bearer", "description": "a key of MAXPOOL_KEYS_FILE"}
        schema["security"] = [{"ApiKey": []}]
        for path in self._open & schema["paths"].keys():
            for operation in schema["paths"][path].values():
                operation["security"] = []

    def _is_open(self, path: str) -> bool:
        return path in self._open or ADMINISTRATION.fullmatch(path) is not None
