"""gRPC in and out: the bytes of a message read, an answer or the reason for none written."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import grpc

from service.errors import MaxpoolError, NotOffered, Unavailable
from service.protocols.oip_grpc_call import Call, Context
from service.protocols.oip_messages import Message, message_class, read_message
from service.protocols.road import internal_error
from service.requestid import Identity
from service.requestlog import RequestLog

Fields = dict[str, Any]  # of the response
Answer = Callable[[Message], Awaitable[Fields]]
Admit = Callable[[Context], AbstractContextManager[Any]]  # raises MaxpoolError
LONGEST_REASON = 1000  # characters
MEMORY = "shared memory is not offered: send the data in the request"
LEFT_OUT = {
    **{
        f"{kind}SharedMemory{call}": MEMORY
        for kind in ("System", "Cuda")
        for call in ("Status", "Register", "Unregister")
    },
    "TraceSetting": "traces are set by MAXPOOL_TRACES_ENDPOINT when the service starts",
    "LogSettings": "the log is set by MAXPOOL_LOG_LEVEL when the service starts",
}
STATUS = {  # of HTTP -> of gRPC
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,  # HTTP alone has methods
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,  # as gRPC itself answers a message over the limit
    415: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    431: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def unary(rpc: Any, answer: Answer, admit: Admit, *, requests: RequestLog) -> grpc.RpcMethodHandler:
    """What is wrong is told as over HTTP, by the status. The message of who is not admitted is not read."""
    request, response = message_class(rpc.input_type.name), message_class(rpc.output_type.name)

    async def handle(body: bytes, context: Context) -> bytes:
        call = Call(rpc.name, context, requests)
        name_it(context, call.identity)
        try:
            with call.refused_in(body):
                return await told(body, context, call.identity.id)
        except MaxpoolError as error:
            return refuse(context, error, call.identity)

    async def told(body: bytes, context: Context, request_id: str) -> bytes:
        """Raises MaxpoolError and no other."""
        try:
            with admit(context):
                return serialized(response(**await answer(read_message(request, body))))
        except MaxpoolError:
            raise
        except Exception as error:
            raise internal_error(error, rpc.name, request_id) from None

    return grpc.unary_unary_rpc_method_handler(handle)


def left_out(name: str, why: str, requests: RequestLog) -> grpc.RpcMethodHandler:
    async def handle(body: bytes, context: Context) -> bytes:
        call = Call(name, context, requests)
        try:
            with call.refused_in(body):
                raise NotOffered(why)
        except MaxpoolError as error:
            return refuse(context, error, call.identity)

    return grpc.unary_unary_rpc_method_handler(handle)


def authorization(context: Context) -> str:
    """The value of the call's metadata, as of HTTP's header."""
    return str(dict(context.invocation_metadata() or ()).get("authorization", ""))


def name_it(context: Context, identity: Identity) -> None:
    context.set_trailing_metadata(tuple(metadata_of(identity)))


def metadata_of(identity: Identity) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in identity.headers]


def refuse(context: Context, error: MaxpoolError, identity: Identity) -> bytes:
    """In place of an answer, with what the headers and the body have over HTTP as metadata. The exception that `abort`
    raises would hold the request until the garbage collector looks. The text goes in a header, whose length clients
    limit."""
    context.set_code(STATUS[error.status])
    context.set_details(str(error)[:LONGEST_REASON])
    metadata = [*metadata_of(identity), ("reason", error.reason)]
    if isinstance(error, Unavailable):
        metadata.append(("grpc-retry-pushback-ms", str(1000 * error.retry_after)))
    context.set_trailing_metadata(tuple(metadata))
    return b""


def serialized(message: Message) -> bytes:
    written: bytes = message.SerializeToString()
    return written
