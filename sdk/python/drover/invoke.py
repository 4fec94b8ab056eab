"""`drover.v1.InvokeService`: calls of a program's methods."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import grpc

from ._gen.drover.v1 import invoke_service_pb2 as pb
from .errors import FieldViolation, StatusError, invalid, refusal
from .gate import Gate
from .json_value import NotJson
from .program import Method, Program
from .request_context import Identity, RequestContext, context
from .service import encode, server_stream, service, unary
from .threads import END, Threads
from .values import decode_arguments, encode_result

NAME = pb.DESCRIPTOR.services_by_name["InvokeService"].full_name


def invoke_service(invoker: Invoker, gate: Gate, bytes_max: int) -> grpc.GenericRpcHandler:
    invoke = f"{NAME}/Invoke"
    stream = f"{invoke}ServerStream"
    return service(
        NAME,
        {
            "Invoke": unary(gate, invoke, pb.InvokeRequest, invoker.invoke, bytes_max),
            "InvokeServerStream": server_stream(gate, stream, pb.InvokeServerStreamRequest, invoker.invoke_server_stream, bytes_max),
        },
    )


class Invoker:
    """The handlers of `InvokeService`. A request names this replica's deployment, or none."""

    def __init__(self, program: Program, identity: Identity, threads: Threads, bytes_max: int) -> None:
        self._program = program
        self._identity = identity
        self._threads = threads
        self._bytes_max = bytes_max

    async def invoke(self, request: pb.InvokeRequest, _context: Any) -> pb.InvokeResponse:
        result = await self._call(request, _own_context())
        method = request.method or "call"
        if is_stream(result):
            await self._leave(result)
            remedy = "call it with InvokeServerStream (drover invoke --stream, handle.method.stream)"
            raise invalid([FieldViolation("method", f'"{method}" returns a stream of results: {remedy}')])
        response = pb.InvokeResponse()
        _write_output(response, result, method)
        return response

    async def invoke_server_stream(self, request: pb.InvokeServerStreamRequest, context: Any) -> None:
        own = _own_context()
        result = await self._call(request, own)
        method = request.method or "call"

        async def write(item: object) -> None:
            response = pb.InvokeServerStreamResponse()
            _write_output(response, item, method)
            await context.write(encode(response, self._bytes_max))

        if not is_stream(result):
            await write(result)
            return
        several: Any = result
        if hasattr(several, "__aiter__"):
            iterator = several.__aiter__()
            try:
                async for item in iterator:
                    await write(item)
            finally:
                own.cancelled.set()  # the caller wants no more items
                await self._leave(iterator)
        else:
            try:
                while (item := await self._threads.run(lambda: next(several, END), own.cancelled.set)) is not END:
                    await write(item)
            finally:
                own.cancelled.set()
                await self._leave(several)

    async def _call(self, request: Any, own: RequestContext) -> object:
        if request.deployment and request.deployment != self._identity.deployment:
            mine = self._identity.deployment
            raise refusal("WRONG_REPLICA", f'this is a replica of "{mine}", not of "{request.deployment}"')
        own.method = request.method or "call"
        method = self._method(own.method)
        call = method.bound_call(own.method, decode_arguments(request), own)
        try:
            result = call() if method.is_async else await self._threads.run(call, own.cancelled.set)
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError:
            own.cancelled.set()
            raise

    def _method(self, name: str) -> Method:
        method = self._program.methods.get(name)
        if method is not None:
            return method
        names = sorted(self._program.methods)
        raise refusal("METHOD_NOT_FOUND", f'no method "{name}"; there {"are: " + ", ".join(names) if names else "is none"}')

    async def _leave(self, stream: Any) -> None:
        """Ends an iterator that is not read any more. Errors of its clean-up are ignored."""
        try:
            if hasattr(stream, "aclose"):
                await stream.aclose()
            elif hasattr(stream, "close"):
                await self._threads.run(stream.close)
        except Exception:
            pass


def is_stream(result: object) -> bool:
    """Whether a result is a stream: an asynchronous iterable, or an iterator such as a generator;
    not a list."""
    return hasattr(result, "__aiter__") or (hasattr(result, "__next__") and hasattr(result, "__iter__"))


def _own_context() -> RequestContext:
    request = context()
    assert request is not None, "the gate begins each request"
    return request


def _write_output(response: Any, result: object, method: str) -> None:
    try:
        encode_result(response, result)
    except NotJson as error:
        text = f'the result of "{method}" is not JSON: result{error.path} is {error.what}'
        raise StatusError("INTERNAL", text, reason="PROGRAM_ERROR") from None
