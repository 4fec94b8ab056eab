"""Runs a program's functions that are not async."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .request_context import context

T = TypeVar("T")

#: The result of a thread's `next` at the end, because a future cannot carry StopIteration.
END: Any = object()

#: A thread is made when one is needed and none is idle. The real bound is `max_ongoing_requests`,
#: which may change while the replica runs, unlike a pool's size; this is its upper bound.
THREADS_MAX = 100_000


class Threads:
    """Runs functions in threads, with the context variables of the caller."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="drover")

    async def run(self, work: Callable[[], T], on_cancel: Callable[[], None] | None = None) -> T:
        """Returns the result of `work`. A thread cannot be stopped: if the caller is cancelled,
        `on_cancel` is called at once, the request in work ends its calls, and the cancellation goes
        on when the thread has ended."""
        variables = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self.pool, variables.run, _guarded, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                if cancelled is None:
                    _left(on_cancel)
                cancelled = error
        if cancelled is not None:
            future.exception()  # marks it as retrieved: the caller does not wait any more
            raise cancelled
        return future.result()


def _left(on_cancel: Callable[[], None] | None) -> None:
    if on_cancel is not None:
        on_cancel()
    request = context()
    if request is not None:
        request.leave()


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except StopIteration as error:  # a future cannot carry it
        raise RuntimeError("the program raised StopIteration") from error
