"""Arguments for servicers that are not async: they run in threads, but gRPC's objects belong to the
event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .checked_context import checked
from .errors import StatusError
from .gate import Ending


class ThreadContext:
    """A `grpc.ServicerContext` for a thread, around a context of the event loop."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._left = threading.Event()

    def leave(self) -> None:
        """Called when the caller has left."""
        self._left.set()

    def is_active(self) -> bool:
        return not self._left.is_set()

    def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        raise Ending(StatusError(code, details), checked(trailing_metadata))

    def abort_with_status(self, status: Any) -> NoReturn:
        self.abort(status.code, status.details, status.trailing_metadata or ())

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._inner.send_initial_metadata(initial_metadata), self._loop).result()

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Calls `callback` when the call has ended. Returns False if it has ended already."""
        self._loop.call_soon_threadsafe(self._inner.add_done_callback, lambda _: callback())
        return self.is_active()

    def __getattr__(self, name: str) -> Any:
        """All other methods are safe in a thread: they read, or set what is sent at the end."""
        return getattr(self._inner, name)


class ThreadRequests:
    """A call's stream of requests, for a thread."""

    def __init__(self, requests: Any) -> None:
        self._requests = requests.__aiter__()
        self._loop = asyncio.get_running_loop()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(self._read(), self._loop).result()
        except StopAsyncIteration:
            raise StopIteration from None

    async def _read(self) -> Any:
        return await self._requests.__anext__()
