"""Collects requests to batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import BoundArguments
from typing import Any, NamedTuple

from .request_context import RequestContext
from .threads import END

#: How many results of one stream may wait to be read, before its batch makes no more.
UNREAD_MAX = 100
#: How long the other requests of a batch of streams wait in all for a reader that is slower than
#: theirs, in seconds.
SLOW_READER = 5.0


class BatchSettings(NamedTuple):
    max_batch_size: int
    #: In seconds.
    batch_wait: float
    max_concurrent_batches: int


class Item:
    """One request of a batch."""

    def __init__(self, arguments: BoundArguments, request: RequestContext | None, wait: float) -> None:
        self.arguments = arguments
        self.request = request
        self.model = request.model if request is not None else None
        self.since = time.monotonic()
        ends = request.ends if request is not None else None
        # Of the time that a caller has left, at most half is spent waiting for others.
        self.due = self.since + (wait if ends is None else min(wait, max(0.0, (ends - self.since) / 2)))
        #: Whether nobody waits for it any more, or it has its last result.
        self.is_over = False
        self.when_left: Callable[[], None] = lambda: None
        #: Results and at last END, or an error. A plain method has one result.
        self._results: asyncio.Queue[object] = asyncio.Queue()
        self._read = asyncio.Event()
        #: How long others have waited for the reader, in seconds.
        self.held_up = 0.0

    async def next(self) -> object:
        """The next result; END: there is none. Raises the request's error."""
        result = await self._results.get()
        self._read.set()
        if isinstance(result, _Failure):
            raise result.error
        return result

    @property
    def is_full(self) -> bool:
        """Whether the reader does not keep up."""
        return not self.is_over and self._results.qsize() >= UNREAD_MAX

    async def when_read(self) -> None:
        """Waits until the reader has read enough to get more, or is gone."""
        while self.is_full:
            self._read.clear()
            await self._read.wait()

    def give(self, result: object) -> None:
        if not self.is_over:
            self._results.put_nowait(result)

    def end(self) -> None:
        self.give(END)
        self.is_over = True

    def fail(self, error: BaseException) -> None:
        if isinstance(error, (StopIteration, asyncio.CancelledError)) or not isinstance(error, Exception):
            error = RuntimeError(f"the batch ended with {error!r}")
        self.give(_Failure(error))
        self.is_over = True

    def leave(self) -> None:
        """The reader is gone."""
        if self.is_over:
            return
        self.is_over = True
        self._read.set()
        self.when_left()


class _Failure(NamedTuple):
    error: BaseException


class BatchQueue:
    """A batch begins when it is full, or when a request in it is due, and when fewer than
    `max_concurrent_batches` are in work. Requests are taken in the order in which they came; a
    batch has requests for one model only. `work` must not raise. Belongs to one event loop."""

    def __init__(self, settings: BatchSettings, work: Callable[[list[Item]], Awaitable[None]], variables: Any) -> None:
        self.settings = settings
        self._work = work
        self._variables = variables
        #: In the order of arrival.
        self._waiting: dict[Item, None] = {}
        self._in_work: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def add(self, item: Item) -> None:
        item.when_left = lambda: self._remove(item)
        self._waiting[item] = None
        self.look()

    def _remove(self, item: Item) -> None:
        self._waiting.pop(item, None)

    def look(self) -> None:
        """Begins the batches that can begin now. Must be called when the settings have changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while len(self._in_work) < self.settings.max_concurrent_batches:
            batch = self._next_batch()
            if batch is None:
                break
            self._begin(batch)
        else:
            return  # the end of a batch looks again
        if self._waiting:
            self._timer = self._loop.call_at(
                self._loop.time() + max(0.0, min(item.due for item in self._waiting) - time.monotonic()), self.look
            )

    def _begin(self, batch: list[Item]) -> None:
        for item in batch:
            del self._waiting[item]
        # In variables of its own: a batch belongs to none of its requests.
        task: asyncio.Task[None] = self._variables.copy().run(self._loop.create_task, self._work(batch))
        self._in_work.add(task)

        def left() -> None:
            if all(item.is_over for item in batch):
                task.cancel()

        for item in batch:
            item.when_left = left
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_work.discard(task)
        self.look()

    def _next_batch(self) -> list[Item] | None:
        """The first batch that is full or due; None: none is."""
        now, size = time.monotonic(), self.settings.max_batch_size
        groups: dict[str | None, list[Item]] = {}
        for item in self._waiting:
            group = groups.setdefault(item.model, [])
            if len(group) < size:
                group.append(item)
        return next((group for group in groups.values() if len(group) == size or any(item.due <= now for item in group)), None)
