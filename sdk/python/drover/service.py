"""The replica's own services. Their methods are registered by hand, so that malformed messages are
refused with details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from .errors import FieldViolation, invalid, refusal
from .gate import Gate
from .request_context import RequestMetadata

#: The largest request message: 4 MiB.
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
#: A message is read up to this much above the bound, so that it is refused with details; gRPC
#: itself refuses larger ones.
EXCESS_BYTES_MAX = 4 * 1024 * 1024

Unary = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], Awaitable[None]]


def unary(gate: Gate, method: str, request: type[Message], handle: Unary, counts: bool = False) -> grpc.RpcMethodHandler:
    """A method that returns one message."""

    async def serve(raw: bytes, context: Any) -> bytes:
        async def work() -> bytes:
            return bytes((await handle(decode(request, raw), context)).SerializeToString())

        return await gate.run(context, method, counts, work)

    return grpc.unary_unary_rpc_method_handler(serve)


def server_stream(gate: Gate, method: str, request: type[Message], handle: Stream, counts: bool = False) -> grpc.RpcMethodHandler:
    """A method that writes its answers to the context, as bytes."""

    async def serve(raw: bytes, context: Any) -> None:
        await gate.run(context, method, counts, lambda: handle(decode(request, raw), context))

    return grpc.unary_stream_rpc_method_handler(serve)


def service(name: str, methods: Mapping[str, grpc.RpcMethodHandler]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(name, methods)


def decode(message: type[Message], raw: bytes) -> Message:
    """Bytes as a message; raises a status that says what is wrong with them."""
    if len(raw) > MESSAGE_BYTES_MAX:
        text = f"the message has {len(raw)} bytes, and at most {MESSAGE_BYTES_MAX} are read"
        raise refusal("MESSAGE_TOO_LARGE", text)
    try:
        return message.FromString(raw)
    except DecodeError as error:
        raise invalid([FieldViolation("", f"not a {message.DESCRIPTOR.full_name}: {error}")]) from None


def metadata_of(context: Any) -> RequestMetadata:
    """The caller's metadata."""
    return RequestMetadata(context.invocation_metadata() or ())
