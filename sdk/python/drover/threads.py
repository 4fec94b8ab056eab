"""Where a program's functions run that are not async."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

#: What a thread's `next` gives at the end: StopIteration cannot leave it.
END: Any = object()

#: Threads are made when one is wanted and none is idle. `max_ongoing_requests`, of which this is the upper bound, bounds
#: them: it may change while the replica runs, which a pool's size cannot.
THREADS_MAX = 100_000


class Threads:
    """Runs functions in threads; each in the context variables of who asks."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="drover")

    async def run(self, work: Callable[[], T], on_cancel: Callable[[], None] | None = None) -> T:
        """What `work` gives. A thread cannot be stopped: if the caller is cancelled meanwhile, `on_cancel` is called at
        once, and the cancellation goes on when the thread has ended."""
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self.pool, context.run, _guarded, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                if cancelled is None and on_cancel is not None:
                    on_cancel()
                cancelled = error
        if cancelled is not None:
            future.exception()  # looked at: nobody waits for it any more
            raise cancelled
        return future.result()


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except StopIteration as error:  # which no future can carry
        raise RuntimeError("the program raised StopIteration") from error
