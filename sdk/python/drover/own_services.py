"""The program's own gRPC services: generated servicers, async or not. Their calls are requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from .checked_context import CheckedContext
from .gate import Gate
from .thread_context import ThreadContext, ThreadRequests
from .threads import END, Threads

Call = Callable[[Any, Any], Any]


class OwnServices:
    """Takes the place of a server when a program registers its services."""

    def __init__(self, adders: Sequence[Callable[[Any], object]]) -> None:
        self._handlers: list[grpc.GenericRpcHandler] = []
        for add in adders:
            add(self)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Called by generated code."""
        self._handlers.extend(handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: object) -> None:
        """Called by newer generated code too, with the same handlers."""

    @property
    def names(self) -> list[str]:
        """The full names of the services. Raises ValueError if one is registered twice."""
        names = [handler.service_name() for handler in self._handlers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is implemented twice")
        return names

    def behind(self, gate: Gate, threads: Threads) -> list[grpc.GenericRpcHandler]:
        return [_Counted(handler, gate, threads) for handler in self._handlers]


class _Counted(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Wraps a service: its calls are counted, and refused above the bound."""

    def __init__(self, inner: grpc.GenericRpcHandler, gate: Gate, threads: Threads) -> None:
        self._inner = inner
        self._gate = gate
        self._threads = threads
        self._known: dict[str, grpc.RpcMethodHandler | None] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = details.method
        if method not in self._known:
            handler = self._inner.service(details)
            if handler is None:
                return None  # not cached: the number of unknown names has no bound
            self._known[method] = self._counted(handler, method.removeprefix("/"))
        return self._known[method]

    def _counted(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        streams = handler.request_streaming
        if handler.response_streaming:
            call = handler.stream_stream or handler.unary_stream
            make = grpc.stream_stream_rpc_method_handler if streams else grpc.unary_stream_rpc_method_handler
            serve = self._serve_stream(call if _is_async(call) else _stepwise(call, streams, self._threads), method)
        else:
            call = handler.stream_unary or handler.unary_unary
            make = grpc.stream_unary_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
            serve = self._serve_one(call if _is_async(call) else _at_once(call, streams, self._threads), method)
        return make(serve, handler.request_deserializer, handler.response_serializer)

    def _serve_one(self, call: Call, method: str) -> Call:
        async def serve(request: Any, context: Any) -> Any:
            return await self._gate.run(context, method, True, lambda: call(request, CheckedContext(context)))

        return serve

    def _serve_stream(self, call: Call, method: str) -> Call:
        async def serve(request: Any, context: Any) -> None:
            async def work() -> None:
                answers = call(request, CheckedContext(context))
                if not hasattr(answers, "__aiter__"):
                    await answers  # a coroutine that writes to the context itself
                    return
                try:
                    async for answer in answers:
                        await context.write(answer)
                finally:
                    if hasattr(answers, "aclose"):
                        await answers.aclose()

            await self._gate.run(context, method, True, work)

        return serve


def _is_async(call: Call) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


def _at_once(call: Call, streams: bool, threads: Threads) -> Call:
    """An async handler that runs a handler which is not async in a thread."""

    async def serve(request: Any, context: Any) -> Any:
        own = ThreadContext(context)
        given = ThreadRequests(request) if streams else request
        return await threads.run(lambda: call(given, own), own.leave)

    return serve


def _stepwise(call: Call, streams: bool, threads: Threads) -> Call:
    """The same for a streaming handler: a thread makes each answer when the previous one was
    sent."""

    async def serve(request: Any, context: Any) -> Any:
        own = ThreadContext(context)
        given = ThreadRequests(request) if streams else request
        answers = await threads.run(lambda: iter(call(given, own)), own.leave)
        try:
            while (answer := await threads.run(lambda: next(answers, END), own.leave)) is not END:
                yield answer
        finally:
            own.leave()
            if hasattr(answers, "close"):
                await threads.run(answers.close)

    return serve
