"""gRPC in and out: the bytes of a message read, an answer or the reason for none written."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from service.errors import BUG, MaxpoolError, NotOffered, Unavailable
from service.protocols.oip_messages import Message, message_class, read_message

log = logging.getLogger("maxpool")
Context = Any  # grpc.aio.ServicerContext
Fields = dict[str, Any]  # of the response
Answer = Callable[[Message], Awaitable[Fields]]
LONGEST_REASON = 1000  # characters
STATUS = {  # of HTTP -> of gRPC
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,  # as gRPC itself answers a message over the limit
    415: grpc.StatusCode.INVALID_ARGUMENT,
    431: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def unary(rpc: Any, answer: Answer, admit: Callable[[Context], None] | None = None) -> grpc.RpcMethodHandler:
    """What is wrong is told as over HTTP, by the status. `admit`, before the message is read, raises MaxpoolError."""
    request, response = message_class(rpc.input_type.name), message_class(rpc.output_type.name)

    async def handle(body: bytes, context: Context) -> bytes:
        try:
            if admit is not None:
                admit(context)
            return serialized(response(**await answer(read_message(request, body))))
        except MaxpoolError as error:
            return refuse(context, error)
        except Exception:
            log.exception("a bug in answering %s", rpc.name)
            return refuse(context, MaxpoolError(BUG))

    return grpc.unary_unary_rpc_method_handler(handle)


def left_out(reason: str) -> grpc.RpcMethodHandler:
    async def handle(body: bytes, context: Context) -> bytes:
        return refuse(context, NotOffered(reason))

    return grpc.unary_unary_rpc_method_handler(handle)


def refuse(context: Context, error: MaxpoolError) -> bytes:
    """In place of an answer. The exception that `abort` raises would hold the request until the garbage collector
    looks. The reason goes in a header, whose length clients limit."""
    context.set_code(STATUS[error.status])
    context.set_details(str(error)[:LONGEST_REASON])
    if isinstance(error, Unavailable):
        context.set_trailing_metadata((("grpc-retry-pushback-ms", str(1000 * error.retry_after)),))
    return b""


def serialized(message: Message) -> bytes:
    written: bytes = message.SerializeToString()
    return written
