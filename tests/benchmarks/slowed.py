"""uvicorn --factory tests.benchmarks.slowed:create_app: the service, with an expensive mistake on its hot road."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app as create_service


def create_app() -> ASGIApp:
    app = create_service()

    async def slowed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sum(range(30_000))
        await app(scope, receive, send)

    return slowed
