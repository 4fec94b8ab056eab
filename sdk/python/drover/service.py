"""The replica's own services. Their methods are registered by hand, so that malformed messages are
refused with details."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from .errors import FieldViolation, invalid, refusal
from .gate import Gate
from .message_bounds import CONTROL_BYTES_MAX
from .request_context import RequestMetadata

Unary = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], Awaitable[None]]


def unary(gate: Gate, method: str, request: type[Message], handle: Unary, bytes_max: int | None = None) -> grpc.RpcMethodHandler:
    """A method that returns one message.

    Args:
        bytes_max: the largest message of a request and its answer, for a method whose calls are
            requests; None: it is a control method.
    """

    async def serve(raw: bytes, context: Any) -> bytes:
        async def work() -> bytes:
            return encode(await handle(decode(request, raw, bytes_max or CONTROL_BYTES_MAX), context), bytes_max)

        return await gate.run(context, method, bytes_max is not None, work)

    return grpc.unary_unary_rpc_method_handler(serve)


def server_stream(gate: Gate, method: str, request: type[Message], handle: Stream, bytes_max: int | None = None) -> grpc.RpcMethodHandler:
    """A method that writes its answers to the context, as bytes. `bytes_max`: as of `unary`."""

    async def serve(raw: bytes, context: Any) -> None:
        async def work() -> None:
            await handle(decode(request, raw, bytes_max or CONTROL_BYTES_MAX), context)

        await gate.run(context, method, bytes_max is not None, work)

    return grpc.unary_stream_rpc_method_handler(serve)


def service(name: str, methods: Mapping[str, grpc.RpcMethodHandler]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(name, methods)


def decode(message: type[Message], raw: bytes, bytes_max: int) -> Message:
    """Bytes as a message; raises a status that says what is wrong with them."""
    if len(raw) > bytes_max:
        text = f"the message has {len(raw)} bytes, and at most {bytes_max} are read"
        raise refusal("MESSAGE_TOO_LARGE", text)
    try:
        return message.FromString(raw)
    except DecodeError as error:
        raise invalid([FieldViolation("", f"not a {message.DESCRIPTOR.full_name}: {error}")]) from None


def encode(message: Message, bytes_max: int | None = None) -> bytes:
    """A message as bytes; raises a status where they are more than `bytes_max`."""
    raw = bytes(message.SerializeToString())
    if bytes_max is not None and len(raw) > bytes_max:
        remedy = "return less, or in parts as a stream, or raise max_message_bytes"
        raise refusal("PROGRAM_ERROR", f"the result has {len(raw)} bytes as a message, and at most {bytes_max} are sent: {remedy}")
    return raw


def metadata_of(context: Any) -> RequestMetadata:
    """The caller's metadata."""
    return RequestMetadata(context.invocation_metadata() or ())
