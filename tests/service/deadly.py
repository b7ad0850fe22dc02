"""python -m tests.service.deadly: the service, with models whose graph has this name and ends the process on DIM."""

import os
from collections.abc import Sequence
from typing import Any

import onnx

from tests.conftest import colour_graph

NAME = b"deadly"
RED = 200  # of the first pixel, as in candidates.DIM


def deadly() -> onnx.ModelProto:
    model = colour_graph()
    model.graph.name = NAME.decode()
    return model


def main() -> int:
    # Those that measure look for it when they are imported; __main__ says where it really is.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.devnull
    from service.engine import model, proof
    from service.engine.session import Session

    run = model.run_rows

    class Named(Session):
        def __init__(self, graph: bytes, **named: Any) -> None:
            super().__init__(graph, **named)
            self.deadly = NAME in graph

    def run_rows(session: Named, rows: Sequence[Any]) -> Any:
        if session.deadly and any(row[0, 0, 0] == RED for row in rows):
            os.abort()
        return run(session, rows)

    proof.Session = Named  # type: ignore[misc]
    model.run_rows = run_rows  # type: ignore[assignment]
    from service.__main__ import main as serve

    return serve()


if __name__ == "__main__":
    raise SystemExit(main())
