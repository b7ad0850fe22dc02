"""python -m tests.service.faulty: the service with bugs, and with lines of the log that it must not have: the checks of
the log have to find them."""

import logging
import os
from typing import Any

from starlette.types import Message, Receive, Scope, Send

INSIDE = "/srv/inside/of/the/server.py"  # what no client may learn
BURST = b"burst"  # in a body


def bug(*_: object) -> Any:
    raise RuntimeError(f"{INSIDE} is wrong")


def main() -> int:
    # Those that measure look for it when they are imported; __main__ says where it really is.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.devnull
    from service import requestlog
    from service.app import Application
    from service.protocols import oip_catalog
    from service.protocols.native import Predict

    requestlog.ROOM = 64 * 1024
    oip_catalog.server_metadata = bug
    answer, call = Predict._answer, Application.__call__

    async def burst(self: Predict, model: Any, scope: Scope, body: bytes, schedule: Any) -> Any:
        return bug() if BURST in body else await answer(self, model, scope, body, schedule)

    async def tell(self: Application, scope: Scope, receive: Receive, send: Send) -> None:
        async def told() -> Message:
            message = await receive()
            logging.getLogger("maxpool").info("body %s", message.get("body"))
            return message

        leaky = scope["type"] == "http" and scope["path"].startswith("/v1/models/length/")
        if leaky:
            logging.getLogger("maxpool").info("query %s headers %s", scope["query_string"], scope["headers"])
        await call(self, scope, told if leaky else receive, send)

    Predict._answer = burst  # type: ignore[method-assign]
    Application.__call__ = tell  # type: ignore[method-assign]
    from service.__main__ import main as serve

    return serve()


if __name__ == "__main__":
    raise SystemExit(main())
