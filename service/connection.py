"""uvicorn's HTTP/1.1 connection, which tells the application whether its client is still there."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope["gone"] = self.transport.is_closing  # type: ignore[typeddict-unknown-key]
