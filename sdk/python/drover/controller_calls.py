"""How the clients of `ControllerService` call it."""

from __future__ import annotations

import asyncio
import getpass
import math
import os
import re
import socket
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio

from ._gen.drover.v1 import controller_service_pb2_grpc as pb_grpc
from .channel import open_async_channel, open_channel
from .errors import StatusError
from .messages import read_field, read_message, request_message, stream_message
from .status_wire import decode_status, is_not_connected

#: How long a call with one answer may take where no `timeout` is given, in seconds.
ANSWER = 60.0
#: Tries of one call, and the wait before the second, in seconds; each further wait is twice as long.
TRIES = 3
RETRY = 0.25
#: Items of one page.
PAGE = 1000
#: Bound on the caller's name that the controller records.
AUTHOR_CHARACTERS = 128

Self = TypeVar("Self", bound="Calls")
AsyncSelf = TypeVar("AsyncSelf", bound="AsyncCalls")


class Calls:
    """A connection to the controller's API. A write gets a request id of its own where none is
    given. A call whose answer may have been lost with the connection is repeated: it has one
    effect.

    Args:
        api: `host:port`; None: the environment variable `DROVER_API`, else 127.0.0.1:9001.
    """

    def __init__(self, api: str | None = None) -> None:
        self._api = api_address(api)
        self._channel = open_channel(self._api)
        self._stub = pb_grpc.ControllerServiceStub(self._channel)
        self._headers = _headers()

    def close(self) -> None:
        """Closes the connection; ongoing calls fail."""
        self._channel.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _call(self, method: str, fields: Mapping[str, Any], timeout: float | None, only: str = "") -> Any:
        return _read(self._answer(method, _request(method, fields), timeout), only)

    def _pages(self, method: str, fields: Mapping[str, Any], timeout: float | None, items: str) -> Iterator[Any]:
        request = _request(method, {**fields, "page_size": PAGE})
        while True:
            page = self._answer(method, request, timeout)
            yield from _read(page, items)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _stream(self, method: str, fields: Mapping[str, Any], timeout: float | None, only: str = "") -> Iterator[Any]:
        return self._events(method, _request(method, fields), timeout, only)  # a wrong field fails here, not at the first event

    def _events(self, method: str, request: Any, timeout: float | None, only: str) -> Iterator[Any]:
        call = getattr(self._stub, method)(request, timeout=timeout, metadata=self._headers)
        try:
            for event in call:
                yield _read(event, only)
        except grpc.RpcError as error:
            raise _failed(error, self._api) from None
        finally:
            call.cancel()

    def _send(self, method: str, requests: Iterable[Any], timeout: float | None) -> Any:
        try:
            answer = getattr(self._stub, method)(_sent(method, requests), timeout=timeout, metadata=self._headers)
        except grpc.RpcError as error:
            raise _failed(error, self._api) from None
        return read_message(answer)

    def _answer(self, method: str, request: Any, timeout: float | None) -> Any:
        until = time.monotonic() + (ANSWER if timeout is None else timeout)
        for tries in range(1, TRIES + 1):
            try:
                return getattr(self._stub, method)(request, timeout=max(0.0, until - time.monotonic()), metadata=self._headers)
            except grpc.RpcError as error:
                time.sleep(wait_before_retry(_failed(error, self._api), tries, until))
        raise AssertionError("the last try returns or raises")


class AsyncCalls:
    """As `Calls`, for async code. It belongs to the event loop in which it is first used."""

    def __init__(self, api: str | None = None) -> None:
        self._api = api_address(api)
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._headers = _headers()

    async def close(self) -> None:
        """Closes the connection; ongoing calls fail."""
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self: AsyncSelf) -> AsyncSelf:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    async def _call(self, method: str, fields: Mapping[str, Any], timeout: float | None, only: str = "") -> Any:
        return _read(await self._answer(method, _request(method, fields), timeout), only)

    async def _pages(self, method: str, fields: Mapping[str, Any], timeout: float | None, items: str) -> AsyncIterator[Any]:
        request = _request(method, {**fields, "page_size": PAGE})
        while True:
            page = await self._answer(method, request, timeout)
            for item in _read(page, items):
                yield item
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _stream(self, method: str, fields: Mapping[str, Any], timeout: float | None, only: str = "") -> AsyncIterator[Any]:
        return self._events(method, _request(method, fields), timeout, only)

    async def _events(self, method: str, request: Any, timeout: float | None, only: str) -> AsyncIterator[Any]:
        call = self._method(method)(request, timeout=timeout, metadata=self._headers)
        try:
            async for event in call:
                yield _read(event, only)
        except grpc.RpcError as error:
            raise _failed(error, self._api) from None
        finally:
            call.cancel()

    async def _send(self, method: str, requests: Iterable[Any], timeout: float | None) -> Any:
        try:
            answer = await self._method(method)(_sent(method, requests), timeout=timeout, metadata=self._headers)
        except grpc.RpcError as error:
            raise _failed(error, self._api) from None
        return read_message(answer)

    async def _answer(self, method: str, request: Any, timeout: float | None) -> Any:
        until = time.monotonic() + (ANSWER if timeout is None else timeout)
        for tries in range(1, TRIES + 1):
            try:
                return await self._method(method)(request, timeout=max(0.0, until - time.monotonic()), metadata=self._headers)
            except grpc.RpcError as error:
                await asyncio.sleep(wait_before_retry(_failed(error, self._api), tries, until))
        raise AssertionError("the last try returns or raises")

    def _method(self, name: str) -> Any:
        if self._channel is None:  # only here, in the event loop
            self._channel = open_async_channel(self._api)
            self._stub = pb_grpc.ControllerServiceStub(self._channel)
        return getattr(self._stub, name)


def api_address(api: str | None) -> str:
    return api or os.environ.get("DROVER_API") or "127.0.0.1:9001"


def _headers() -> tuple[tuple[str, str], ...]:
    """The caller as `user@host`, which the controller records, as it does for the command line."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, the id often has no name
        user = f"uid-{os.getuid()}"
    author = re.sub("[^!-~]", "?", f"{user}@{socket.gethostname()}")
    return (("drover-author", author[:AUTHOR_CHARACTERS]),)


def _request(method: str, fields: Mapping[str, Any]) -> Any:
    request = request_message(method, fields)
    if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
        request.request_id = uuid.uuid4().hex
    return request


def _sent(method: str, requests: Iterable[Any]) -> Iterator[Any]:
    """The messages of a stream, each made when it is sent."""
    for request in requests:
        yield stream_message(method, request)


def _read(message: Any, only: str) -> Any:
    return read_field(message, message.DESCRIPTOR.fields_by_name[only]) if only else read_message(message)


def _failed(error: grpc.RpcError, api: str) -> StatusError:
    if not is_not_connected(error):
        return decode_status(error)
    remedy = "start one with `drover start`, or name another with DROVER_API or api="
    return StatusError("UNAVAILABLE", f"no controller answers at {api}: {remedy}")


def wait_before_retry(status: StatusError, tries: int, until: float = math.inf) -> float:
    """How long to wait before the next try; raises where there is none. Without a reason, the error
    comes from the connection and not from the controller."""
    may_be_lost = status.code == "UNAVAILABLE" and status.reason in (None, "SHUTTING_DOWN")
    wait = RETRY * 2.0 ** (tries - 1)
    if not may_be_lost or tries == TRIES or time.monotonic() + wait >= until:
        raise status from None
    return wait
