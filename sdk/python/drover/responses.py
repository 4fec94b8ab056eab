"""What a call by a handle returns: a result to wait for, or a stream to read."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, NoReturn, Union

from .call_loop import call_loop, running_loop
from .errors import Callee, StatusError, refusal
from .field_hint import refuse_unknown
from .request_context import RequestContext, context
from .threads import END

_Work = Union["asyncio.Task[Any]", "concurrent.futures.Future[Any]"]


class Response:
    """The result of a call, which has begun: `await` it in async code; elsewhere `result()` waits.

    Cancelling the `await` cancels the call, and so does the end of the request that made it. Fails
    with a `StatusError` that has a `callee`.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], callee: Callee) -> None:
        self._callee = callee
        self._loop = call_loop()
        self._work = _start(work, self._loop)
        request = context()
        if request is not None:
            _end_with(request, self.cancel, self._work)

    def __await__(self) -> Generator[Any, None, Any]:
        if isinstance(self._work, asyncio.Task) and running_loop() is self._loop:
            return self._work.__await__()
        return asyncio.wrap_future(self._future()).__await__()

    def result(self, timeout: float | None = None, **unknown: NoReturn) -> Any:
        """Waits for the result, in code that is not async.

        Args:
            timeout: how long to wait, in seconds; None: until the call ends. The call goes on after
                it: `options(timeout=...)` bounds the call itself.

        Raises:
            TimeoutError: `timeout` has passed.
            RuntimeError: an event loop runs in this thread, and waiting would stop it.
        """
        refuse_unknown("result", unknown, ("timeout",))
        _check_no_loop(f"await the call of {self._callee.method!r} instead of calling result()")
        future = self._future()
        try:
            return future.result(timeout)
        except concurrent.futures.CancelledError:
            raise cancelled(self._callee) from None
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            raise TimeoutError(f"{self._callee.deployment} ({self._callee.method}) has not answered within {timeout} s") from None

    async def settled(self) -> Any:
        """The result, on the loop for calls. Cancelling this does not cancel the call."""
        work = self._work
        return await asyncio.shield(work if isinstance(work, asyncio.Task) else asyncio.wrap_future(work))

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._work.done()

    def cancel(self) -> None:
        """Ends the call. The callee learns that its caller has left."""
        _cancel(self._work, self._loop)

    def _future(self) -> concurrent.futures.Future[Any]:
        work = self._work
        if not isinstance(work, asyncio.Task):
            return work

        async def joined() -> Any:
            return await asyncio.shield(work)

        return asyncio.run_coroutine_threadsafe(joined(), self._loop)


class ResponseStream:
    """The results of a streaming method: `async for` in async code, `for` elsewhere. The call begins
    with the first one that is read. To leave the loop early cancels it, and so does the end of the
    request that made it."""

    def __init__(self, items: AsyncGenerator[Any, None], callee: Callee) -> None:
        self._reader = _Reader(items, callee, call_loop(), context())

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> Any:
        work = self._reader.read()
        item = await (work if isinstance(work, asyncio.Task) else asyncio.wrap_future(work))
        if item is END:
            raise StopAsyncIteration
        return item

    def __iter__(self) -> ResponseStream:
        self._check()
        return self

    def __next__(self) -> Any:
        self._check()
        work = self._reader.read()
        assert not isinstance(work, asyncio.Task), "no loop runs in this thread"
        try:
            item = work.result()
        except concurrent.futures.CancelledError:
            raise cancelled(self._reader.callee) from None
        if item is END:
            raise StopIteration
        return item

    def cancel(self) -> None:
        """Ends the call."""
        self._reader.stop()

    def __del__(self) -> None:
        self._reader.stop()

    def _check(self) -> None:
        _check_no_loop(f"read the stream of {self._reader.callee.method!r} with `async for`")


class _Reader:
    """The side of a stream that the request in work knows. It does not know the stream itself, so
    that a stream which nobody reads any more is collected, and ends its call."""

    def __init__(self, items: AsyncGenerator[Any, None], callee: Callee, loop: asyncio.AbstractEventLoop, request: RequestContext | None):
        self.callee = callee
        self._items = items
        self._loop = loop
        self._request = request
        self._reading: _Work | None = None
        self._began = False
        self._stopped = False
        self._ended = False

    def read(self) -> _Work:
        """The next item, or END."""
        if not self._began:
            self._began = True
            if self._request is not None:
                self._request.on_leave(self.stop)
        self._reading = _start(self._next(), self._loop)
        return self._reading

    async def _next(self) -> Any:
        if self._stopped:
            raise cancelled(self.callee)
        try:
            return await self._items.__anext__()
        except StopAsyncIteration:
            self._end()
            return END
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        if self._ended or self._stopped:
            return
        self._stopped = True
        if self._began and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._reading is not None and not self._reading.done():
            _cancel(self._reading, self._loop)
        elif not self._ended:
            self._closing = self._loop.create_task(self._items.aclose())
        self._end()

    def _end(self) -> None:
        self._ended = True
        if self._request is not None:
            self._request.off_leave(self.stop)


def cancelled(callee: Callee) -> StatusError:
    """The error of a thread that waits for a call which was cancelled."""
    error = refusal("CANCELLED", "the call was cancelled: its caller has left, or the program cancelled it")
    error.callee = callee
    return error


def _start(work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> _Work:
    """Begins the work on the loop: as a task of it in its own thread, as a future in another."""
    started: _Work
    if running_loop() is loop:
        started = loop.create_task(work)
    else:
        started = asyncio.run_coroutine_threadsafe(work, loop)
    started.add_done_callback(_mark_retrieved)
    return started


def _mark_retrieved(work: Any) -> None:
    """The error of a call that nobody waits for is not logged."""
    if not work.cancelled():
        work.exception()


def _cancel(work: _Work, loop: asyncio.AbstractEventLoop) -> None:
    if isinstance(work, asyncio.Task) and running_loop() is not loop:
        loop.call_soon_threadsafe(work.cancel)
    else:
        work.cancel()


def _end_with(request: RequestContext, end: Callable[[], None], work: Any) -> None:
    request.on_leave(end)
    work.add_done_callback(lambda _: request.off_leave(end))


def _check_no_loop(remedy: str) -> None:
    if running_loop() is not None:
        raise RuntimeError(f"an event loop runs in this thread, and waiting would stop it: {remedy}, or wait in a thread")
